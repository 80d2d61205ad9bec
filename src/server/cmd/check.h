/* SPDX-License-Identifier: MPL-2.0 */
/* What the files of `mig-server check` share. */
#ifndef MIG_SERVER_CMD_CHECK_H
#define MIG_SERVER_CMD_CHECK_H

#include "base/jsonw.h"
#include "server/config.h"

enum check_how { CHECK_OK, CHECK_WARNING, CHECK_PROBLEM };

struct check {
	struct server_conf conf;
	enum check_how worst;
	bool json;
	struct jsonw w;
	pid_t pid; /* of the server; 0: it does not run */
	int64_t agents;
	char help[3];
};

/* One line, or one object. */
void check_say(struct check *k, enum check_how how, const char *what,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Owners, modes, and whether the user comes to them. */
void check_files(struct check *k);
/* Answers while the server runs, is free while it does not. */
void
check_port(struct check *k, const char *name, const char *address, int port);
/* The first bytes that a program prints, within a few seconds. */
int check_first_line(char *const *argv, char *out, size_t size, struct err *e);

#endif
