/* SPDX-License-Identifier: MIT
 * What fetching a picture or an answer may cost, in one place. A person sets the first two
 * (fetch_mib, fetch_timeout); the others end a transfer that leads nowhere. */
#ifndef NET_LIMITS_H
#define NET_LIMITS_H

#define NET_PICTURE_MIB 256         /* of a file, an answer (counted decoded) or a data: URL */
#define NET_PICTURE_S 60.0          /* for the whole of a fetch, redirects included */
#define NET_CONNECT_S 10L           /* until a server has answered the telephone */
#define NET_STALL_BYTES_S 100L      /* slower than this … */
#define NET_STALL_S 15L             /* … for so long is a stall */
#define NET_RESOLVE_S 5L            /* for asking what a name behind a proxy means */
#define NET_REDIRECTS 5             /* from one address to the next */
#define NET_ERROR_BYTES (1 << 20)   /* of a page that comes with an error or a redirect */
#define NET_SNIFF_BYTES 65536       /* after so many bytes it is certain whether it is a picture */
#define NET_PART_HEAD_BYTES 16384   /* of the head of a camera's frame */
#define NET_EVENT_BYTES (1 << 20)   /* of one event of a streamed answer */
#define NET_ANSWER_BYTES (16 << 20) /* of an answer's text, or of one that comes in one piece */
#define NET_SILENCE_S 300           /* a chat server that says nothing for so long is gone */
#define NET_TRIES 5                 /* of a question, when servers fail or connections break */
#define NET_WAIT_S 300.0            /* that servers may ask a question to wait, all in all */
#define NET_POLL_MS 100             /* how long a wish to stop may go unnoticed */

#endif
