/* SPDX-License-Identifier: MIT */
#pragma once

/* Every bound of the daemon, by name. Tests go to each and one past it. */

#define LIMIT_MESSAGE_BYTES (16u << 20)	      /* one API message, both ways */
#define LIMIT_PIPELINE_BYTES (1u << 20)	      /* calls of one connection that wait behind a running one */
#define LIMIT_INPUT_BYTES (256u << 20)	      /* unread messages of all connections: the largest is cut off */
#define LIMIT_CONNECTIONS 512		      /* API connections at once */
#define LIMIT_OUTPUT_BYTES (4u << 20)	      /* unsent bytes of a stream before replies are dropped and told as missed */
#define LIMIT_OUTPUT_TOTAL_BYTES (256u << 20) /* unsent replies of all connections: the largest is cut off */
#define LIMIT_IMAGE_STORE_BYTES (256u << 20)  /* image files kept, in all */
#define LIMIT_IMAGES 64			      /* image files kept */
#define LIMIT_DEVICES 1024		      /* boards known at once */
#define LIMIT_QUEUE 64			      /* requests that wait for one board */
#define LIMIT_FILE_BYTES (4u << 20)	      /* a file of a board, read or written */
#define LIMIT_JOBS_KEPT 100		      /* ended jobs that Jobs() still lists */
#define LIMIT_EVIDENCE_LINES 20		      /* of the console that a job which failed leaves behind */
#define LIMIT_EVIDENCE_LINE_BYTES 256	      /* of each */
#define LIMIT_EVIDENCE_ENTRIES 24	      /* of the trace, likewise */
#define LIMIT_JOB_FAILURE_BYTES (8u << 10)    /* of the error of an ended job that is kept for the next daemon */
#define LIMIT_CONSOLE_LINES 2000	      /* lines kept of a console, unless configured otherwise */
#define LIMIT_CONSOLE_LINES_MAX 1000000
#define LIMIT_CONSOLE_LINE_BYTES 1024	      /* longer lines are cut in pieces */
#define LIMIT_CONSOLE_BYTES (256u << 10)      /* kept of a console, in all, unless configured otherwise */
#define LIMIT_CONSOLE_BYTES_MAX (256u << 20)
#define LIMIT_LOG_BYTES_MAX (1u << 30)
#define LIMIT_LOG_COUNT_MAX 100
#define LIMIT_TRACE_ENTRIES 500	      /* kept a board: 16 KiB, and texts */
#define LIMIT_TYPED_BYTES 4096		      /* keystrokes in one call */
#define LIMIT_TYPED_UNSENT_BYTES (16u << 10)  /* keystrokes that a tty has not taken yet */
#define LIMIT_BROKEN_COUNT 100		      /* attachments or boots that are remembered of a board */
#define LIMIT_REGEX_MATCH 10000		      /* PCRE2 match limit for a regex, whoever wrote it */
#define LIMIT_REGEX_BYTES 1024
#define LIMIT_PORT_WRITE_BYTES (256u << 10)   /* unsent bytes of one tty */
#define LIMIT_CONFIG_BYTES (1u << 20)
#define LIMIT_TIMEOUT_MS 600000
#define LIMIT_LEASES_CONNECTION 32	      /* leases that one connection holds or uses */
#define LIMIT_LEASE_WAITERS 64	      /* clients that wait for one board */
#define LIMIT_LEASE_TEXT_BYTES 200	      /* the reason of a lease, and the command of its holder */
#define LIMIT_LEASE_KEEP_MIN_MS 100
#define LIMIT_LEASE_KEEP_MS 86400000	      /* a lease that is bound to a time, without a sign of its holder */
#define LIMIT_HANGING_PORTS 256		      /* opens and closes that hang in the kernel at once */
