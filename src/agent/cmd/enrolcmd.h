/* SPDX-License-Identifier: MPL-2.0 */
/* mig-agent enrol: identity, certificate and first policy. */
#ifndef MIG_AGENT_CMD_ENROLCMD_H
#define MIG_AGENT_CMD_ENROLCMD_H

struct enrol_options {
	const char *url;         /* https://host:port */
	const char *ca;          /* 64 hex: fingerprint of the pinned CA */
	const char *token;       /* 64 hex */
	const char *policy_file; /* or NULL */
	const char *policy_hash; /* 64 hex, or NULL */
};

/* Exit code. */
int enrol_main(const char *conf_path, const struct enrol_options *o);

#endif
