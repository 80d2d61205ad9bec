/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/rights.h"

#include <string.h>

#define READS_FILES "to read every file"
#define SEES_PROCESSES "to look into every process"

static const char every[] = "every file";
static const char state[] = "this agent's own state";
static const char namespace[] = "every file of this user namespace";
static const char each[] = "every process";
static const char agents[] = "this agent's own processes";
static const char outside[] = "files of users who do not exist in this user "
			      "namespace; this agent's own state";

/* clang-format off */
static const struct right rights[] = {
	{ "monitor", "", "to start roles and workers as other users", {
		{ RIGHT_USERS, "CAP_SETUID, CAP_SETGID", "-" },
		{ 0, "no", "they run as the agent's own user" } } },
	{ "monitor", "", "to end workers of other users", {
		{ RIGHT_USERS | RIGHT_KILL, "CAP_KILL", "-" },
		{ RIGHT_USERS, "no",
		    "a worker that hangs is ended by its own limits only" },
		{ 0, "its own user's", "-" } } },
	{ "monitor", "", "to hold workers in control groups", {
		{ RIGHT_CGROUP, "yes", "-" },
		{ 0, "no",
		    "limits of the process, and a scan that sleeps to keep "
		    "its share" } } },
	{ "net", "", "to be a user without files", {
		{ RIGHT_USERS, "net_user", "-" },
		{ 0, "no", "only its filter keeps it from the agent's files" } } },
	{ "verify, judge", "", "to be a user without files", {
		{ RIGHT_USERS, "net_user", "-" },
		{ 0, "no", "only its filter keeps it from the agent's files" } } },
	{ "worker", "", "not to write", {
		{ RIGHT_LANDLOCK, "seccomp, Landlock", "-" },
		{ 0, "seccomp", "one of two walls is missing" } } },
	{ "worker", "netstat", "to see who holds which socket", {
		{ RIGHT_PROCESSES, "every process", "-" },
		{ RIGHT_USERS, "none",
		    "the process of each socket; its user is seen" },
		{ 0, "processes of the agent's user",
		    "the process of other sockets; their user is seen" } } },
	{ "worker", "netstat", "to ask in every network namespace", {
		{ RIGHT_NETWORKS, "every one", "-" },
		{ RIGHT_PROCESSES, "in others /proc/PID/net",
		    "in others interfaces' MAC addresses and IPv6 neighbours; "
		    "namespaces without a process" },
		{ 0, "in others /proc/PID/net",
		    "in others interfaces' MAC addresses and IPv6 neighbours; "
		    "namespaces without a process; their names" } } },
	{ "worker", "", "not to see the agent's state", {
		{ RIGHT_HIDDEN | RIGHT_MOUNT, "covered by a mount", "-" },
		{ RIGHT_HIDDEN, "refused by Landlock", "-" },
		{ RIGHT_USERS, "another user without rights", "-" },
		{ 0, "no", "a worker could read the state" } } },
	{ "worker", "file, pkg, sshkey", READS_FILES, {
		{ RIGHT_READ | RIGHT_ALL_IDS | RIGHT_NO_AGENT, every, "-" },
		{ RIGHT_READ | RIGHT_ALL_IDS | RIGHT_HIDDEN, every, state },
		{ RIGHT_READ | RIGHT_HIDDEN, namespace, outside },
		{ RIGHT_USERS, "what everybody may read",
		    "what only some users may read" },
		{ RIGHT_HIDDEN, "what the agent's user may read",
		    "what others keep from that user; this agent's own "
		    "state" },
		{ 0, "what the agent's user may read",
		    "what others keep from that user" } } },
	{ "worker", "memory", SEES_PROCESSES, {
		{ RIGHT_PROCESSES | RIGHT_ATTACH | RIGHT_ALL_IDS, each, agents },
		{ RIGHT_PROCESSES | RIGHT_ATTACH,
		    "every process of this user namespace",
		    "processes outside; this agent's own processes" },
		{ RIGHT_USERS, "nothing but the names of kernel threads",
		    "processes: CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH are "
		    "missing, or Yama forbids it" },
		{ RIGHT_ATTACH, "processes of the agent's user",
		    "processes of others, and those that cannot be dumped; "
		    "this agent's own processes" },
		{ 0, "names and libraries of processes of the agent's user",
		    "processes of others; what is in memory: Yama forbids "
		    "it" } } },
	{ "worker", "ping", "to send echo requests", {
		{ RIGHT_ECHO, "CAP_NET_RAW or ping_group_range", "-" },
		{ 0, "no", "whether a host answers ICMP" } } },
	{ "worker", "ping, timedrift", "to read little, as it has sockets", {
		{ RIGHT_LANDLOCK, "only what names and clock settings need",
		    "settings of the clock elsewhere" },
		{ RIGHT_USERS, "what everybody may read",
		    "one of two walls is missing" },
		{ 0, "what the agent's user may read",
		    "no wall between files and network" } } },
};

static const struct right_place places[] = {
	{ "root", RIGHT_ANY & ~(unsigned)RIGHT_NO_AGENT },
	{ "root, container", RIGHT_ROOT | RIGHT_USERS | RIGHT_KILL |
	    RIGHT_READ | RIGHT_ALL_IDS | RIGHT_LANDLOCK | RIGHT_HIDDEN |
	    RIGHT_ECHO },
	{ "root, container, old kernel", RIGHT_ROOT | RIGHT_USERS |
	    RIGHT_KILL | RIGHT_ALL_IDS | RIGHT_ECHO },
	{ "user", RIGHT_ALL_IDS | RIGHT_LANDLOCK | RIGHT_HIDDEN |
	    RIGHT_ATTACH },
	{ "user, old kernel", RIGHT_ALL_IDS | RIGHT_ATTACH },
};
/* clang-format on */

const struct right *
rights_all(size_t *ret_n)
{
	*ret_n = sizeof(rights) / sizeof(rights[0]);
	return rights;
}

const struct right_way *
right_way(const struct right *r, uint32_t facts)
{
	const struct right_way *w = r->ways;

	while ((w->facts & facts) != w->facts)
		w++;
	return w;
}

static const struct right_way *
way_of(const char *wanted, uint32_t facts)
{
	const struct right *r = rights;

	while (strcmp(r->wanted, wanted) != 0)
		r++;
	return right_way(r, facts);
}

const struct right_way *
rights_of_files(uint32_t facts)
{
	return way_of(READS_FILES, facts);
}

const struct right_way *
rights_of_processes(uint32_t facts)
{
	return way_of(SEES_PROCESSES, facts);
}

const struct right_place *
rights_places(size_t *ret_n)
{
	*ret_n = sizeof(places) / sizeof(places[0]);
	return places;
}
