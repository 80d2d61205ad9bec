/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Which time servers a host is set by, as the settings of its time service name
 * them: chrony.conf(5) with its *.sources, ntp.conf(5) of ntpd, NTPsec and
 * OpenNTPD, timesyncd.conf(5), and what networkd notes of a link. Lines that
 * are about anything else are passed over.
 */
#ifndef MIG_MODULES_TIMEDRIFT_CLOCKCONF_H
#define MIG_MODULES_TIMEDRIFT_CLOCKCONF_H

#include <stddef.h>
#include <stdint.h>

#define CLOCKCONF_LINE_MAX 4096

enum clockconf_kind {
	CLOCKCONF_CHRONY,
	CLOCKCONF_NTP,
	CLOCKCONF_TIMESYNCD,
	CLOCKCONF_LINK
};

enum clockconf_item {
	CLOCKCONF_SERVER,      /* name or address; port 0: none is said */
	CLOCKCONF_FALLBACK,    /* for when there is no other */
	CLOCKCONF_BUILT_IN,    /* likewise, as a comment shows them */
	CLOCKCONF_NO_SERVER,   /* servers so far are void; no value */
	CLOCKCONF_NO_FALLBACK, /* likewise */
	CLOCKCONF_INCLUDE,     /* a file, or a pattern of files */
	CLOCKCONF_CONFDIR,     /* a directory of *.conf */
	CLOCKCONF_SOURCEDIR    /* a directory of *.sources */
};

typedef void clockconf_on_item(
    enum clockconf_item item, const char *value, uint16_t port, void *arg);

/* Returns how many lines were about servers and not understood, or too long. */
size_t clockconf_parse(enum clockconf_kind kind, const void *text, size_t len,
    clockconf_on_item *on_item, void *arg);

#endif
