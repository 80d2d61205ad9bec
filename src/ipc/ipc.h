/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Typed frames between the roles of one program, over a socketpair.
 *
 *   offset size
 *   0      4    length of the body, big endian, at most the channel's max
 *   4      2    message type (enum of the two ends, explicit numbers)
 *   6      2    zero
 *   8      4    request number, echoed in the answer; 0: none expected
 *   12     ...  body: fields written with buf_add_*, read with rd_*
 *
 * One optional descriptor travels with a frame (SCM_RIGHTS); ipc_send_fd and
 * a non-NULL ret_fd. Unknown types, wrong lengths and unexpected descriptors
 * end the channel with ERR_INVALID: they never reach fatal().
 */
#ifndef MIG_IPC_IPC_H
#define MIG_IPC_IPC_H

#include "base/buf.h"

#include <stdbool.h>

struct err;
struct event_base;

#define IPC_HEADER_LEN 12

struct ipc_msg {
	uint16_t type;
	uint32_t request;
	const uint8_t *body; /* borrowed until the next call */
	size_t len;
	int fd; /* -1, or a descriptor the receiver now owns */
};

/* A connected pair, CLOEXEC, blocking. */
int ipc_pair(int ret_fd[2], struct err *e);

/* --- blocking use (verify, judge, worker side) ------------------------- */
int ipc_write(int fd, uint16_t type, uint32_t request, const void *body,
    size_t len, int pass_fd, struct err *e);
/* Reads one frame; the body is put into in (cleared first). ERR_CLOSED at end
 * of file; both ERR_TIMEOUT when a call lasts longer than SO_RCVTIMEO or
 * SO_SNDTIMEO say. Takes no descriptor unless take_fd: then msg->fd is set. */
int ipc_read(
    int fd, struct buf *in, struct ipc_msg *msg, bool take_fd, struct err *e);

/* --- in an event loop --------------------------------------------------- */
struct ipc_chan;

/* msg is borrowed. A negative return closes the channel. Both callbacks may
 * call any function on the channel, ipc_chan_free included. */
typedef int
ipc_on_msg(struct ipc_chan *c, const struct ipc_msg *msg, void *arg);
/* The other end closed (why begins so), or sent something impossible. The
 * channel is dead but still owned by the caller, who frees it. */
#define IPC_CLOSED "closed "
typedef void ipc_on_close(struct ipc_chan *c, const char *why, void *arg);

/* Takes fd (closed on failure too). max_body: largest accepted body. max_queue:
 * bytes that may wait to be written; beyond it ipc_chan_send returns ERR_BUSY
 * and queues nothing. NULL when out of memory. What is queued when the channel
 * is freed is not sent: wait for ipc_chan_queued() == 0 first. */
struct ipc_chan *ipc_chan_new(struct event_base *base, int fd, size_t max_body,
    size_t max_queue, ipc_on_msg *on_msg, ipc_on_close *on_close, void *arg);
void ipc_chan_free(struct ipc_chan *c);
int ipc_chan_send(struct ipc_chan *c, uint16_t type, uint32_t request,
    const void *body, size_t len);
/* Takes fd on success. */
int ipc_chan_send_fd(struct ipc_chan *c, uint16_t type, uint32_t request,
    const void *body, size_t len, int fd);
/* Bytes waiting to be written. */
size_t ipc_chan_queued(const struct ipc_chan *c);
/* Stops or resumes reading (back-pressure), at the next message. */
void ipc_chan_pause(struct ipc_chan *c, bool pause);
/* Off at first: a descriptor that comes along ends the channel. When on,
 * on_msg owns msg->fd (which may be -1). */
void ipc_chan_accept_fds(struct ipc_chan *c, bool accept);

#endif
