/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One question to one time server. All servers are asked side by side; of each
 * its addresses are tried one after the other while they refuse or are silent.
 *
 *   exchange_init; exchange_ask; while fd >= 0: wait for it, exchange_take
 */
#ifndef MIG_MODULES_TIMEDRIFT_EXCHANGE_H
#define MIG_MODULES_TIMEDRIFT_EXCHANGE_H

#include "modules/common/resolve.h"
#include "modules/timedrift/clockfiles.h"
#include "modules/timedrift/ntp.h"

#include <stdbool.h>

#define EXCHANGE_WHY_MAX 256

struct exchange {
	const struct clockserver *server; /* borrowed */
	struct netaddrs to;
	size_t at; /* the address that is asked, in to */
	int fd;    /* -1: nothing is awaited */
	uint8_t nonce[NTP_NONCE];
	int64_t asked; /* t0 */
	bool usable;
	struct ntp_reply reply;
	struct ntp_sample sample;   /* usable */
	char why[EXCHANGE_WHY_MAX]; /* not usable, or not yet */
};

void exchange_init(struct exchange *x, const struct clockserver *server);
/* Looks up the name, which takes its time, and sends. */
void exchange_ask(struct exchange *x);
/* Takes what has arrived; fd is -1 once that was the answer. */
void exchange_take(struct exchange *x);
/* Nothing has come for a while: asks the next address, if there is one. */
void exchange_next(struct exchange *x);
/* Nothing came in time. */
void exchange_give_up(struct exchange *x, const char *why);

#endif
