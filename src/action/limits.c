/* SPDX-License-Identifier: MPL-2.0 */
/* Reading the policy's limits. */
#include "action/limits.h"

#include "base/err.h"
#include "json/json.h"

#define LIMITS_TEXT_MAX 65536
#define KIB ((int64_t)1024)
#define GIB (KIB * KIB * KIB)

int
policy_limits_parse(
    const void *json, size_t len, struct policy_limits *ret, struct err *e)
{
	static const char *const keys[] = { "maxvalidity", "seconds",
		"cpuseconds", "cpupercent", "memorybytes", "readbytes",
		"resultbytes", "workers", "queue", NULL };
	struct policy_limits l;
	const struct {
		const char *key;
		int64_t min, max;
		int64_t *value;
	} fields[] = {
		{ "maxvalidity", 1, (int64_t)366 * 86400, &l.max_validity },
		{ "seconds", 1, 86400, &l.seconds },
		{ "cpuseconds", 1, 86400, &l.cpu_seconds },
		{ "cpupercent", 0, LIMIT_CPU_PERCENT_MAX, &l.cpu_percent },
		{ "memorybytes", KIB * KIB, 64 * GIB, &l.memory_bytes },
		{ "readbytes", 0, (int64_t)1 << 53, &l.read_bytes },
		{ "resultbytes", 4 * KIB, 16 * KIB * KIB, &l.result_bytes },
		{ "workers", 1, 64, &l.workers },
		{ "queue", 1, 65536, &l.queue },
	};
	json_t *root;
	size_t i;
	int rc;

	policy_limits_default(&l);
	if (len == 0) {
		*ret = l;
		return 0;
	}
	root = json_strict(json, len, LIMITS_TEXT_MAX, e);
	if (root == NULL)
		return err_wrap(e, "limits");
	rc = json_only_keys(root, "limits", keys, e);
	if (rc == 0)
		rc = json_no_nulls(root, "limits", keys, e);
	for (i = 0; rc == 0 && i < sizeof(fields) / sizeof(fields[0]); i++)
		rc = json_opt_int(root, "limits", fields[i].key, fields[i].min,
		    fields[i].max, fields[i].value, e);
	json_decref(root);
	if (rc == 0)
		*ret = l;
	return rc;
}
