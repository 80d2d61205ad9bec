/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What core, api and ca have in common: they are this program executed again
 * with a channel to the parent, take their configuration from it, do what
 * needs rights, enter the sandbox, and then serve their loop until the parent
 * closes the channel.
 */
#ifndef MIG_SERVER_ROLE_H
#define MIG_SERVER_ROLE_H

#include "ipc/ipc.h"
#include "sandbox/sandbox.h"
#include "server/config.h"
#include "server/messages.h"

struct event_base;
struct proc_loop;

struct role {
	const char *name;
	struct server_conf conf;
	int64_t relay_started; /* ms */
	struct proc_loop *loop;
	struct event_base *base;
	struct ipc_chan *parent;
	struct event *again; /* when the parent is asked for another peer */
	/* A channel to another role; the callee takes fd. */
	void (*on_peer)(struct role *r, enum server_role peer, int fd);
	void (*on_relay)(struct role *r); /* may be NULL */
	/* The parent's other messages; may be NULL: none is expected. */
	int (*on_parent)(struct role *r, const struct ipc_msg *m);
	void (*on_term)(struct role *r); /* may be NULL: just stop */
	/* Asked now and then by the parent, which kills who says no or nothing
	 * for long; may be NULL: that the loop runs is enough. */
	bool (*lives)(struct role *r);
	void *arg;
};

/* Reads the configuration, starts log and loop. fatal() on failure. */
void role_start(struct role *r, const char *name);
/* Drops to the user and enters the sandbox. fatal() on failure. */
void role_sandbox(struct role *r, const struct sandbox_path *paths,
    size_t npaths, uint32_t descriptors);
/* Serves until the parent is gone or asks for the end. */
int role_run(struct role *r);

/* The channel to the core broke, though it may live: unless on_peer comes by
 * itself within a moment, the parent is asked for another. For api and ca: one
 * side asks. */
void role_peer_lost(struct role *r);

int core_main(void);
/* Exit status of an api that cannot listen where it was told to. */
#define API_NO_PORT 3
int api_main(void);
int ca_main(void);

#endif
