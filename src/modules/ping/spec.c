/* SPDX-License-Identifier: MPL-2.0 */
/* The ping module's table, check, printer and mask; the work is in run.c. */
#include "modules/ping/question.h"

#include "base/err.h"
#include "modules/narrow.h"
#include "modules/params.h"
#include "modules/print.h"

#include <string.h>

#define DEFAULT_COUNT 3
#define DEFAULT_TIMEOUT 5
#define DEFAULT_PORT 80

const char *const ping_protocols[PING_PROTOCOLS] = { "icmp", "tcp", "udp" };

static int
is_host(const char *text, struct err *e)
{
	struct host h;

	return host_parse_only(text, &h, e);
}

static enum ping_protocol
protocol_of(const char *text)
{
	size_t i = 0;

	while (i < PING_PROTOCOLS && strcmp(text, ping_protocols[i]) != 0)
		i++;
	return (enum ping_protocol)i;
}

static int
is_protocol(const char *text, struct err *e)
{
	return protocol_of(text) != PING_PROTOCOLS
	    ? 0
	    : err_set(e, ERR_INVALID,
		  "'%.32s' is no protocol of this module: expected icmp, tcp "
		  "or udp",
		  text);
}

static int
is_family(const char *text, struct err *e)
{
	return strcmp(text, "ipv4") == 0 || strcmp(text, "ipv6") == 0
	    ? 0
	    : err_set(e, ERR_INVALID, "'%.32s': expected ipv4 or ipv6", text);
}

/* -1 and 0 are what the original's command line and JSON say for none. */
const struct param ping_params[] = {
	{ "d", "destination", PARAM_ONE, "HOST",
	    "address or name of the host to reach", is_host, 0, 0 },
	{ "dp", "destinationport", PARAM_NUM, "PORT",
	    "port, for tcp and udp (80)", NULL, -1, 65535 },
	{ "p", "protocol", PARAM_ONE, "PROTOCOL",
	    "icmp (the default), tcp or udp", is_protocol, 0, 0 },
	{ "c", "count", PARAM_NUM, "N", "times to try (3), at most 100", NULL,
	    0, PING_COUNT_MAX },
	{ "timeout", "timeout", PARAM_NUM, "SECONDS",
	    "to wait for each answer (5), at most 60", NULL, 0,
	    PING_TIMEOUT_MAX },
	{ "ipv4", "family", PARAM_WORD, "ipv4", "by IPv4 only", is_family, 0,
	    0 },
	{ "ipv6", "family", PARAM_WORD, "ipv6", "by IPv6 only", is_family, 0,
	    0 },
	{ NULL, NULL, PARAM_BOOL, NULL, NULL, NULL, 0, 0 },
};

static unsigned int
number(const json_t *params, const char *field, unsigned int fallback)
{
	int64_t n = params_num(params, field, 0);

	return n > 0 ? (unsigned int)n : fallback;
}

void
ping_question(const json_t *params, struct ping_question *ret)
{
	const char *protocol = params_str(params, "protocol");
	const char *family = params_str(params, "family");
	struct err e;

	memset(ret, 0, sizeof(*ret));
	BUG_ON(host_parse_only(
		   params_str(params, "destination"), &ret->host, &e) != 0);
	ret->protocol = protocol != NULL ? protocol_of(protocol) : PING_ICMP;
	if (ret->protocol != PING_ICMP)
		ret->port =
		    (uint16_t)number(params, "destinationport", DEFAULT_PORT);
	ret->count = number(params, "count", DEFAULT_COUNT);
	ret->timeout = number(params, "timeout", DEFAULT_TIMEOUT);
	ret->family = AF_UNSPEC;
	if (family != NULL)
		ret->family = strcmp(family, "ipv4") == 0 ? AF_INET : AF_INET6;
}

int
ping_check(const json_t *params, struct err *e)
{
	struct ping_question q;
	int rc = params_check(ping_params, params, "", e);

	if (rc != 0)
		return rc;
	if (params_str(params, "destination") == NULL)
		return err_set(e, ERR_INVALID,
		    "destination: expected the host to reach; there is no "
		    "default, as who is asked learns of the question");
	ping_question(params, &q);
	if (q.host.address && q.family != AF_UNSPEC &&
	    (q.family == AF_INET6) != (strchr(q.host.name, ':') != NULL))
		return err_set(e, ERR_INVALID,
		    "destination: '%s' is not an address of the family that "
		    "is asked for",
		    q.host.name);
	return 0;
}

/* Files of the original may hold both; who types a port wants to know of it. */
static int
forgets_protocol(const json_t *params, struct err *e)
{
	struct ping_question q;

	ping_question(params, &q);
	if (q.protocol != PING_ICMP ||
	    params_num(params, "destinationport", 0) <= 0)
		return 0;
	return err_set(
	    e, ERR_INVALID, "-dp: icmp has no ports: add -p tcp or -p udp");
}

static json_t *
ping_from_flags(const struct module_flags *f, struct err *e)
{
	json_t *root;

	if (params_exclude(f, "ipv4", "ipv6", e) != 0)
		return NULL;
	root = params_from_flags(ping_params, f, NULL, e);
	if (root != NULL &&
	    (ping_check(root, e) != 0 || forgets_protocol(root, e) != 0)) {
		json_decref(root);
		root = NULL;
	}
	return root;
}

/* --- printing --------------------------------------------------------------*/

/* What a try came to. */
static void
add_latency(struct buf *out, double ms)
{
	if (ms >= PING_NO_ANSWER)
		buf_add_str(out, "no answer");
	else if (ms < 0)
		buf_add_str(out, "refused");
	else if (ms > 0)
		buf_add_fmt(out, "%.3fms", ms);
	else
		buf_add_str(out, "failed");
}

static void
print_tries(struct buf *out, const char *prefix, const json_t *elements)
{
	const json_t *list = json_object_get(elements, "latencies");
	size_t i;

	buf_add_str(out, prefix);
	print_add(out, print_str(elements, "protocol"));
	buf_add_str(out, " ping of ");
	print_add(out, print_str(elements, "resolvedhost"));
	for (i = 0; i < json_array_size(list); i++) {
		buf_add_str(out, i == 0 ? ": " : ", ");
		add_latency(out, json_number_value(json_array_get(list, i)));
	}
	buf_add_str(out, "\n");
}

static void
print_failures(struct buf *out, const char *prefix, const json_t *elements)
{
	const json_t *list = json_object_get(elements, "failures");
	const char *s;
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		s = json_string_value(json_array_get(list, i));
		buf_add_fmt(out, "%sfailure: ", prefix);
		print_add(out, s != NULL ? s : "");
		buf_add_str(out, "\n");
	}
}

extern const struct module module_ping;

static int
ping_print(const json_t *result, const char *prefix, enum print_show show,
    struct buf *out, struct err *e)
{
	const json_t *elements = json_object_get(result, "elements");
	bool found = json_is_true(json_object_get(result, "foundanything"));

	if (!json_is_object(result))
		return err_set(e, ERR_INVALID, "the answer is not an object");
	if (json_array_size(json_object_get(elements, "latencies")) > 0 &&
	    (show == SHOW_ALL || found == (show == SHOW_FOUND))) {
		print_tries(out, prefix, elements);
		print_failures(out, prefix, elements);
	}
	return print_end(&module_ping, result, prefix, show, out, e);
}

static int
ping_csv(
    const json_t *result, const char *prefix, struct buf *out, struct err *e)
{
	const json_t *elements = json_object_get(result, "elements");
	const json_t *list = json_object_get(elements, "latencies");
	double ms;
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		ms = json_number_value(json_array_get(list, i));
		buf_add_str(out, prefix);
		csv_add(out, print_str(elements, "protocol"));
		buf_add_str(out, ",");
		csv_add(out, print_str(elements, "resolvedhost"));
		buf_add_fmt(out, ",%zu,", i + 1);
		if (ms > 0 && ms < PING_NO_ANSWER)
			buf_add_fmt(out, "%.6f,answered\n", ms);
		else
			buf_add_fmt(out, ",%s\n",
			    ms < 0       ? "refused"
				: ms > 0 ? "noanswer"
					 : "failed");
	}
	return csv_end(out, e);
}

/* What a name means here, and which routers spoke. */
static int
ping_mask(json_t *result)
{
	json_t *elements = json_object_get(result, "elements");
	json_t *list = json_object_get(elements, "failures");
	size_t i;
	int rc = mask_str(elements, "resolvedhost");

	for (i = 0; i < json_array_size(list) && rc == 0; i++) {
		if (json_array_set_new(list, i, json_string("masked")) != 0)
			rc = ERR_NOMEM;
	}
	return rc == 0 ? mask_errors(result) : rc;
}

const struct module module_ping = {
	.name = "ping",
	.summary = "whether a host is reached: icmp, tcp, udp",
	.number = MODULE_ping,
	.needs = NEED_NETWORK,
	.params = ping_params,
	.check = ping_check,
	.from_flags = ping_from_flags,
	.print = ping_print,
	.csv_header = "protocol,resolvedhost,try,latency,result",
	.csv = ping_csv,
	.mask = ping_mask,
	.reduce = narrow_no_content,
};
