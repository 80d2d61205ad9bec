/* SPDX-License-Identifier: MPL-2.0 */
/* The timedrift module's table, check, printer and mask; the work is in
 * run.c. */
#include "modules/timedrift/question.h"

#include "base/err.h"
#include "base/str.h"
#include "modules/host.h"
#include "modules/narrow.h"
#include "modules/params.h"
#include "modules/print.h"

#include <string.h>

#define DEFAULT_TIMEOUT 5 /* seconds */
#define DIGITS "0123456789"

/* --- durations --------------------------------------------------------------
 */

static const struct unit {
	const char *name;
	int64_t ns;
} units[] = {
	/* longer names before those that they begin with */
	{ "ns", 1 },
	{ "us", 1000 },
	{ "\302\265s", 1000 }, /* the micro sign */
	{ "\316\274s", 1000 }, /* the Greek letter */
	{ "ms", 1000000 },
	{ "h", INT64_C(3600000000000) },
	{ "m", INT64_C(60000000000) },
	{ "s", INT64_C(1000000000) },
};

static const struct unit *
unit_of(const char *s)
{
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strncmp(s, units[i].name, strlen(units[i].name)) == 0)
			return &units[i];
	}
	return NULL;
}

/* One number with its unit is added to sum. NULL: it is none, or too much. */
static const char *
take_part(const char *s, int64_t *sum)
{
	size_t whole = strspn(s, DIGITS), digits = 0, i;
	const char *fraction = s + whole;
	const struct unit *u;
	int64_t n = 0, scale;

	if (*fraction == '.')
		digits = strspn(++fraction, DIGITS);
	u = unit_of(fraction + digits);
	if (whole + digits == 0 || u == NULL)
		return NULL;
	for (i = 0; i < whole; i++) {
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, s[i] - '0', &n))
			return NULL;
	}
	if (__builtin_mul_overflow(n, u->ns, &n))
		return NULL;
	scale = u->ns;
	for (i = 0; i < digits && scale > 1; i++) {
		scale /= 10;
		if (__builtin_add_overflow(n, scale * (fraction[i] - '0'), &n))
			return NULL;
	}
	return __builtin_add_overflow(*sum, n, sum)
	    ? NULL
	    : fraction + digits + strlen(u->name);
}

int
timedrift_duration(const char *text, int64_t *ret_ns, struct err *e)
{
	const char *s = *text == '+' ? text + 1 : text;
	int64_t sum = 0;

	if (strcmp(s, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	do {
		s = take_part(s, &sum);
	} while (s != NULL && *s != '\0');
	if (s == NULL)
		return err_set(e, ERR_INVALID,
		    "'%.64s' is not a duration: expected such as 5s, 250ms or "
		    "1m30s, at most 290 years",
		    text);
	*ret_ns = sum;
	return 0;
}

/* --- parameters -------------------------------------------------------------
 */

/* "" asks for the time alone, as in the original. */
static int
is_drift(const char *text, struct err *e)
{
	int64_t ns;

	return *text == '\0' ? 0 : timedrift_duration(text, &ns, e);
}

static int
is_server(const char *text, struct err *e)
{
	struct host h;

	return host_parse(text, &h, e);
}

const struct param timedrift_params[] = {
	{ "drift", "drift", PARAM_ONE, "DURATION",
	    "most that the clock may be off, as 5s or 250ms; without it only "
	    "the local time is answered",
	    is_drift, 0, 0 },
	{ "server", "servers", PARAM_STR, "HOST[:PORT]",
	    "time server to compare with, instead of those that the host is "
	    "set by",
	    is_server, 0, 0 },
	{ "timeout", "timeout", PARAM_NUM, "SECONDS",
	    "to wait for the servers (5), at most 60", NULL, 0,
	    TIMEDRIFT_TIMEOUT_MAX },
	{ NULL, NULL, PARAM_BOOL, NULL, NULL, NULL, 0, 0 },
};

bool
timedrift_limit(const json_t *params, int64_t *ret_ns)
{
	const char *drift = params_str(params, "drift");
	struct err e;

	return drift != NULL && *drift != '\0' &&
	    timedrift_duration(drift, ret_ns, &e) == 0;
}

int64_t
timedrift_timeout(const json_t *params)
{
	int64_t n = params_num(params, "timeout", 0);

	return n > 0 ? n : DEFAULT_TIMEOUT;
}

int
timedrift_check(const json_t *params, struct err *e)
{
	int rc = params_check(timedrift_params, params, "", e);
	size_t n = json_array_size(params_get(params, "servers"));
	int64_t limit;

	if (rc != 0)
		return rc;
	if (n > TIMEDRIFT_SERVERS_MAX)
		return err_set(e, ERR_TOOBIG,
		    "servers: %zu are named: expected at most %d", n,
		    TIMEDRIFT_SERVERS_MAX);
	if (n > 0 && !timedrift_limit(params, &limit))
		return err_set(e, ERR_INVALID,
		    "drift: expected the most that the clock may be off, such "
		    "as 5s, as servers to compare with are named");
	return 0;
}

/* An empty one is mostly a variable that is not set. */
static int
is_empty_drift(const json_t *params, struct err *e)
{
	const char *drift = params_str(params, "drift");

	if (drift == NULL || *drift != '\0')
		return 0;
	return err_set(e, ERR_INVALID,
	    "drift: it is empty: expected such as 5s; without -drift only the "
	    "local time is told");
}

static json_t *
timedrift_from_flags(const struct module_flags *f, struct err *e)
{
	json_t *root = params_from_flags(timedrift_params, f, NULL, e);

	if (root != NULL &&
	    (timedrift_check(root, e) != 0 || is_empty_drift(root, e) != 0)) {
		json_decref(root);
		root = NULL;
	}
	return root;
}

/* --- printing --------------------------------------------------------------*/

static void
server_name(const json_t *s, char out[static HOST_TEXT_SIZE])
{
	double port = print_num(s, "port");
	struct host h = { 0 };

	(void)str_copy(h.name, sizeof(h.name), print_str(s, "host"));
	if (port >= 1 && port <= UINT16_MAX)
		h.port = (uint16_t)port;
	host_text(&h, out);
}

static void
print_server(struct buf *out, const char *prefix, const json_t *s)
{
	char name[HOST_TEXT_SIZE];

	server_name(s, name);
	buf_add_fmt(out, "%sserver ", prefix);
	print_add(out, name);
	if (*print_str(s, "address") != '\0') {
		buf_add_str(out, " (");
		print_add(out, print_str(s, "address"));
		buf_add_str(out, ")");
	}
	if (!json_is_true(json_object_get(s, "reachable"))) {
		buf_add_str(out, ": ");
		print_add(out, print_str(s, "why"));
		buf_add_str(out, "\n");
		return;
	}
	buf_add_str(out, ": drift ");
	print_add(out, print_str(s, "drift"));
	buf_add_str(out, ", latency ");
	print_add(out, print_str(s, "latency"));
	buf_add_fmt(out, ", stratum %.0f", print_num(s, "stratum"));
	if (json_is_false(json_object_get(s, "agrees")))
		buf_add_str(out, ", disagrees with the others");
	buf_add_str(out, "\n");
}

static void
print_verdict(struct buf *out, const char *prefix, const json_t *elements)
{
	const json_t *drifts = json_object_get(elements, "drifts");
	const char *s;
	size_t i;

	buf_add_fmt(out, "%slocal time is ", prefix);
	print_add(out, print_str(elements, "localtime"));
	if (json_is_true(json_object_get(elements, "hascheckeddrift")))
		buf_add_str(out,
		    json_is_true(json_object_get(elements, "iswithindrift"))
			? ", within the drift allowed"
			: ", OUTSIDE the drift allowed");
	for (i = 0; i < json_array_size(drifts); i++) {
		s = json_string_value(json_array_get(drifts, i));
		buf_add_str(out, i == 0 ? ": " : ", ");
		print_add(out, s != NULL ? s : "");
	}
	buf_add_str(out, "\n");
}

extern const struct module module_timedrift;

static int
timedrift_print(const json_t *result, const char *prefix, enum print_show show,
    struct buf *out, struct err *e)
{
	const json_t *elements = json_object_get(result, "elements");
	const json_t *servers =
	    json_object_get(json_object_get(result, "statistics"), "ntpstats");
	bool found = json_is_true(json_object_get(result, "foundanything"));
	size_t i;

	if (!json_is_object(result))
		return err_set(e, ERR_INVALID, "the answer is not an object");
	if (*print_str(elements, "localtime") != '\0' &&
	    (show == SHOW_ALL || found == (show == SHOW_FOUND)))
		print_verdict(out, prefix, elements);
	for (i = 0; i < json_array_size(servers) && show == SHOW_ALL; i++)
		print_server(out, prefix, json_array_get(servers, i));
	return print_end(&module_timedrift, result, prefix, show, out, e);
}

static void
csv_row(struct buf *out, const char *prefix, const json_t *elements,
    const json_t *s)
{
	static const char *const keys[] = { "address", "drift", "latency",
		"why" };
	char name[HOST_TEXT_SIZE];
	size_t i;

	buf_add_str(out, prefix);
	csv_add(out, print_str(elements, "localtime"));
	buf_add_str(out,
	    json_is_true(json_object_get(elements, "iswithindrift")) ? ",true"
		: json_is_true(json_object_get(elements, "hascheckeddrift"))
		? ",false"
		: ",");
	server_name(s, name);
	buf_add_str(out, ",");
	csv_add(out, name);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		buf_add_str(out, ",");
		csv_add(out, print_str(s, keys[i]));
	}
	buf_add_str(out, "\n");
}

static int
timedrift_csv(
    const json_t *result, const char *prefix, struct buf *out, struct err *e)
{
	const json_t *elements = json_object_get(result, "elements");
	const json_t *servers =
	    json_object_get(json_object_get(result, "statistics"), "ntpstats");
	size_t i;

	if (json_array_size(servers) == 0 &&
	    *print_str(elements, "localtime") != '\0')
		csv_row(out, prefix, elements, NULL);
	for (i = 0; i < json_array_size(servers); i++)
		csv_row(out, prefix, elements, json_array_get(servers, i));
	return csv_end(out, e);
}

/* How far the clock is off may be told; by whom it is set is the host's. */
static int
timedrift_mask(json_t *result)
{
	static const char *const keys[] = { "host", "address", "source",
		"why" };
	json_t *servers =
	    json_object_get(json_object_get(result, "statistics"), "ntpstats");
	size_t i, k;
	int rc = 0;

	for (i = 0; i < json_array_size(servers); i++) {
		json_object_del(json_array_get(servers, i), "port");
		for (k = 0; k < sizeof(keys) / sizeof(keys[0]) && rc == 0; k++)
			rc = mask_str(json_array_get(servers, i), keys[k]);
	}
	return rc == 0 ? mask_errors(result) : rc;
}

/* The clock was compared with others, which is what was asked for. */
static const char *const ordinary[] = { "unusable", "serverlimit", NULL };

const struct module module_timedrift = {
	.name = "timedrift",
	.summary = "local time, and whether it is off",
	.number = MODULE_timedrift,
	.needs = NEED_NETWORK,
	.params = timedrift_params,
	.check = timedrift_check,
	.from_flags = timedrift_from_flags,
	.print = timedrift_print,
	.csv_header = "localtime,iswithindrift,host,address,drift,latency,why",
	.csv = timedrift_csv,
	.mask = timedrift_mask,
	.reduce = narrow_no_content,
	.ordinary = ordinary,
};
