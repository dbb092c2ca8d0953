/* SPDX-License-Identifier: MIT */
#pragma once

/* Between server.c (the socket), server-listen.c (how it is made, and who comes) and server-connection.c (the connections). */

#include "daemon/server.h"

#define SERVER_READ_BYTES 65536
#define SERVER_CALLS_A_TURN 16 /* of one connection, before others have theirs */
#define SERVER_STOP_MS 1000

struct server {
	uv_loop_t *loop;
	uv_pipe_t socket;
	uv_timer_t timer; /* of the stop */
	bool open, stopping;
	unsigned int handles; /* socket and timer, while they are not closed */
	void (*handle)(void *user, struct call *call);
	void *user;
	struct connection *connections;
	size_t connection_count;
	size_t input_bytes;  /* unread ones of all connections */
	size_t output_bytes; /* unsent ones of all connections that are not given up */
	char *path;	    /* to be removed at the end; NULL: not ours */
	dev_t device;
	ino_t inode;
	int lock;
	gid_t group;
	void (*stopped)(void *user);
	void *stopped_user;
	char buffer[SERVER_READ_BYTES]; /* what uv reads into; used up before it returns to the loop */
};

/* A bound and listening descriptor; -errno and a sentence. */
int server_bind(struct server *s, const char *path, const char *group, char **ret_text);
/* The group of the socket's file when that may connect; (gid_t)-1. */
gid_t server_find_group(int fd);
/* Removes what server_bind made. */
void server_unbind(struct server *s);

/* Who is at the other end of a connected socket; ret->groups is malloc'd. What cannot be read stays as it is. */
void server_read_peer(int fd, struct peer *ret);
/* It has closed both ways, not only its sending side. */
bool server_peer_is_gone(int fd);

/* The parameters of io.mcumgr.LimitExceeded. */
json_object *server_limit_exceeded(const char *limit, int64_t maximum, const char *message, const char *hint);
json_object *server_answer_too_long(size_t size);
json_object *server_call_too_long(void); /* the answer to a call that nobody has read */

void connection_accept(struct server *s);
/* Tells the call that the daemon ends, sends what is unsent, closes. */
void connection_stop(struct connection *c);
void connection_close(struct connection *c);
struct connection *connection_next(struct connection *c);
void server_check_stopped(struct server *s);
