/* SPDX-License-Identifier: MIT */
#pragma once

/* Between server.c (the socket), server-listen.c (how it is made, and who comes), server-connection.c (the
 * connections, and what comes in) and server-output.c (what goes out). */

#include "daemon/server.h"

#define SERVER_READ_BYTES 65536
#define SERVER_CALLS_A_TURN 16 /* of one connection, before others have theirs */
#define SERVER_STOP_MS 1000
#define SERVER_LOOK_MS 1000

struct server {
	uv_loop_t *loop;
	uv_pipe_t socket;
	uv_timer_t timer; /* of the stop */
	uv_timer_t look;  /* at connections that nothing is read from */
	bool open, stopping;
	unsigned int handles; /* socket and timers, while they are not closed */
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

struct connection {
	struct server *server;
	struct connection *next, **pprev;
	uv_pipe_t pipe;
	uv_timer_t turn; /* goes on with the messages that wait */
	unsigned int handles;
	struct varlink_stream *stream;
	struct peer peer;
	struct call *call;
	struct connection_state *state;
	size_t unsent;	/* bytes of replies */
	size_t counted; /* of the server's input_bytes */
	bool reading, processing, slow;
	bool ended;   /* the client sends no more */
	bool closing, flushing; /* closed; closed when everything is sent */
	bool broken;		/* nothing can be sent: closed in a turn of its own, so that no call ends while it speaks */
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
void connection_flush(struct connection *c);   /* closes it when everything is sent */
void connection_process(struct connection *c); /* takes the messages that have come, as far as calls may begin */
void connection_turn(struct connection *c);    /* the same, in a turn of its own */
void call_free(struct call *call);
/* Takes parameters over. error: NULL: none. */
void connection_reply(struct connection *c, const char *error, json_object *parameters, bool continues);
void server_check_stopped(struct server *s);
