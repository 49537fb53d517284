/* SPDX-License-Identifier: MIT
 * Limits of fetching a picture or an answer. A person sets the first two (fetch_mib,
 * fetch_timeout); the others end a transfer that leads nowhere. */
#ifndef NET_LIMITS_H
#define NET_LIMITS_H

#define NET_PICTURE_MIB 256         /* of a file, a reply (counted decoded) or a data: URL */
#define NET_PICTURE_S 60.0          /* for a whole fetch, redirects included */
#define NET_CONNECT_S 10L           /* to connect to a server */
#define NET_STALL_BYTES_S 100L      /* slower than this … */
#define NET_STALL_S 15L             /* … for this long is a stall */
#define NET_RESOLVE_S 5L            /* to resolve a name when a proxy is used */
#define NET_REDIRECTS 5             /* per fetch */
#define NET_ERROR_BYTES (1 << 20)   /* of a page that comes with an error or a redirect */
#define NET_SNIFF_BYTES 65536       /* bytes that show whether it is a picture */
#define NET_PART_HEAD_BYTES 16384   /* of the head of a camera's frame */
#define NET_EVENT_BYTES (1 << 20)   /* of one event of a streamed answer */
#define NET_ANSWER_BYTES (16 << 20) /* of an answer's text, or of an unstreamed answer */
#define NET_SILENCE_S 300           /* a chat server silent for this long is gone */
#define NET_TRIES 5                 /* of a question, when servers fail or connections break */
#define NET_WAIT_S 300.0            /* total time that servers may make a question wait */
#define NET_POLL_MS 100             /* how long a request to stop may go unnoticed */

#endif
