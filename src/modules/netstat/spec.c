/* SPDX-License-Identifier: MPL-2.0 */
/* The netstat module's table, printer and mask; parameters are in param.c, the
 * work is in run.c. */
#include "modules/narrow.h"

#include "base/err.h"
#include "modules/netstat/param.h"
#include "modules/params.h"
#include "modules/print.h"

#include <string.h>

static json_t *
netstat_from_flags(const struct module_flags *f, struct err *e)
{
	json_t *root = params_from_flags(netstat_params, f, NULL, e);

	if (root != NULL && netstat_check(root, e) != 0) {
		json_decref(root);
		root = NULL;
	}
	return root;
}

/* address:port, with brackets around an address of IPv6. */
static void
add_endpoint(
    struct buf *out, const json_t *el, const char *addr, const char *port)
{
	const char *text = print_str(el, addr);
	bool v6 = strchr(text, ':') != NULL;

	buf_add_str(out, v6 ? "[" : "");
	print_add(out, text);
	buf_add_fmt(out, "%s:%.0f", v6 ? "]" : "", print_num(el, port));
}

static void
add_found(struct buf *out, enum netstat_search s, const json_t *el)
{
	switch (s) {
	case NETSTAT_LOCALMAC:
		buf_add_str(out, "found local mac ");
		print_add(out, print_str(el, "localmacaddr"));
		return;
	case NETSTAT_LOCALIP:
		buf_add_str(out, "found local ip ");
		print_add(out, print_str(el, "localaddr"));
		return;
	case NETSTAT_NEIGHBORMAC:
		buf_add_str(out, "found neighbor mac ");
		print_add(out, print_str(el, "remotemacaddr"));
		buf_add_str(out, " ");
		print_add(out, print_str(el, "remoteaddr"));
		return;
	case NETSTAT_NEIGHBORIP:
		buf_add_str(out, "found neighbor ip ");
		print_add(out, print_str(el, "remoteaddr"));
		buf_add_str(out, " ");
		print_add(out, print_str(el, "remotemacaddr"));
		return;
	case NETSTAT_CONNECTEDIP:
		buf_add_str(out, "found connected tuple ");
		add_endpoint(out, el, "remoteaddr", "remoteport");
		buf_add_str(out, " with local tuple ");
		add_endpoint(out, el, "localaddr", "localport");
		return;
	default:
		buf_add_str(out, "found listening port ");
		buf_add_fmt(out, "%.0f on ", print_num(el, "localport"));
		print_add(out, print_str(el, "localaddr"));
	}
}

/* [interface:eth0, process:nginx, ...]: what is known. */
static void
add_details(struct buf *out, const json_t *el)
{
	static const char *const texts[] = { "interface", "protocol", "state",
		"process", "executable", "user", "namespace" };
	const char *sep = " [", *v;
	double pid = print_num(el, "pid");
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		v = print_str(el, texts[i]);
		if (*v == '\0')
			continue;
		buf_add_fmt(out, "%s%s:", sep, texts[i]);
		print_add(out, v);
		sep = ", ";
		if (strcmp(texts[i], "process") == 0 && pid > 0)
			buf_add_fmt(out, ", pid:%.0f", pid);
	}
	if (*sep == ',')
		buf_add_str(out, "]");
}

static void
print_line(struct buf *out, const char *prefix, enum netstat_search s,
    const char *value, const json_t *el)
{
	buf_add_str(out, prefix);
	if (el == NULL) {
		buf_add_str(out, "did not find anything");
	} else {
		add_found(out, s, el);
		add_details(out, el);
	}
	buf_add_fmt(out, " for netstat %s:'", netstat_fields[s]);
	print_add(out, value);
	buf_add_str(out, "'\n");
}

extern const struct module module_netstat;

static int
netstat_print(const json_t *result, const char *prefix, enum print_show show,
    struct buf *out, struct err *e)
{
	json_t *elements = json_object_get(result, "elements"), *list, *el;
	const char *value;
	size_t s, i;

	if (!json_is_object(result))
		return err_set(e, ERR_INVALID, "the answer is not an object");
	for (s = 0; s < NETSTAT_SEARCHES; s++) {
		json_object_foreach (
		    json_object_get(elements, netstat_fields[s]), value, list) {
			if (show != SHOW_FOUND && json_array_size(list) == 0)
				print_line(out, prefix, s, value, NULL);
			if (show == SHOW_NOTFOUND)
				continue;
			json_array_foreach (list, i, el)
				print_line(out, prefix, s, value, el);
		}
	}
	return print_end(&module_netstat, result, prefix, show, out, e);
}

static void
csv_row(struct buf *out, const char *prefix, const char *search,
    const char *value, const json_t *el)
{
	static const char *const texts[] = { "localmacaddr", "remotemacaddr",
		"localaddr", "#localport", "remoteaddr", "#remoteport",
		"namespace", "interface", "protocol", "state", "#pid",
		"process", "executable", "user" };
	double n;
	size_t i;

	buf_add_str(out, prefix);
	csv_add(out, search);
	buf_add_str(out, ",");
	csv_add(out, value);
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		buf_add_str(out, ",");
		if (*texts[i] != '#') {
			csv_add(out, print_str(el, texts[i]));
			continue;
		}
		n = print_num(el, texts[i] + 1);
		if (n > 0)
			buf_add_fmt(out, "%.0f", n);
	}
	buf_add_str(out, "\n");
}

static int
netstat_csv(
    const json_t *result, const char *prefix, struct buf *out, struct err *e)
{
	json_t *elements = json_object_get(result, "elements"), *list, *el;
	const char *value;
	size_t s, i;

	for (s = 0; s < NETSTAT_SEARCHES; s++) {
		json_object_foreach (
		    json_object_get(elements, netstat_fields[s]), value, list) {
			json_array_foreach (list, i, el)
				csv_row(
				    out, prefix, netstat_fields[s], value, el);
		}
	}
	return csv_end(out, e);
}

/* With whom a host talks, and who on it does. */
static int
netstat_mask(json_t *result)
{
	static const char *const keys[] = { "executable", "user" };
	json_t *elements = json_object_get(result, "elements"), *list, *el;
	const char *value;
	size_t s, i, k;
	int rc = 0;

	for (s = 0; s < NETSTAT_SEARCHES; s++) {
		json_object_foreach (
		    json_object_get(elements, netstat_fields[s]), value, list) {
			json_array_foreach (list, i, el) {
				if (rc == 0 && s == NETSTAT_CONNECTEDIP)
					rc = mask_str(el, "remoteaddr");
				for (k = 0; k < 2 && rc == 0; k++)
					rc = mask_str(el, keys[k]);
				json_object_del(el, "uid");
			}
		}
	}
	return rc == 0 ? mask_errors(result) : rc;
}

const struct module module_netstat = {
	.name = "netstat",
	.summary = "interfaces, neighbours, connections, listening sockets",
	.number = MODULE_netstat,
	.needs = NEED_SOCKETS,
	.params = netstat_params,
	.check = netstat_check,
	.from_flags = netstat_from_flags,
	.print = netstat_print,
	.csv_header = "search,value,localmac,remotemac,localaddr,localport,"
		      "remoteaddr,remoteport,namespace,interface,protocol,"
		      "state,pid,process,executable,user",
	.csv = netstat_csv,
	.mask = netstat_mask,
	.reduce = narrow_no_content,
	.by_entry = true,
	.ordinary = netstat_ordinary,
};
