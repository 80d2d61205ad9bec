/* SPDX-License-Identifier: MPL-2.0 */
#include "conf/conf_check.h"

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"

#include <string.h>

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define HOST_MAX 253
#define USER_MAX 32

int
conf_check_path(const char *value, struct err *e)
{
	const char *p;

	for (p = value; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '"')
			return err_set(e, ERR_INVALID,
			    "a path must not hold quotes or control "
			    "characters");
	}
	if (value[0] != '/')
		return err_set(e, ERR_INVALID,
		    "expected an absolute path, not '%s'", value);
	return 0;
}

static bool
is_host(const char *s, size_t len)
{
	static const char name[] = ALNUM "-._",
			  v6[] = "0123456789abcdefABCDEF"
				 ":.%";

	if (len > 2 && s[0] == '[' && s[len - 1] == ']')
		return strspn(s + 1, v6) >= len - 2;
	return len > 0 && len <= HOST_MAX && s[0] != '-' &&
	    strspn(s, name) >= len;
}

int
conf_check_peer(const char *value, struct err *e)
{
	const char *colon = strrchr(value, ':');
	uint64_t port;

	if (colon == NULL || !is_host(value, (size_t)(colon - value)) ||
	    str_u64(colon + 1, 1, 65535, &port) != 0)
		return err_set(e, ERR_INVALID,
		    "'%s' is not host:port or [address]:port", value);
	return 0;
}

int
conf_check_address(const char *value, struct err *e)
{
	size_t len = strlen(value);

	/* an IPv6 address stands without brackets here */
	if (len == 0 || is_host(value, len) ||
	    (strchr(value, ':') != NULL && strspn(value, ALNUM ":.%") == len))
		return 0;
	return err_set(e, ERR_INVALID, "expected one address, not '%s'", value);
}

int
conf_check_user(const char *value, struct err *e)
{
	size_t len = strlen(value);

	if (len == 0 || len > USER_MAX || value[0] == '-' ||
	    strspn(value, ALNUM "-._") != len)
		return err_set(e, ERR_INVALID,
		    "expected the name of a user, not '%s'", value);
	return 0;
}

int
conf_check_log_level(const char *value, struct err *e)
{
	enum log_level level;

	if (log_level_parse(value, &level) != 0)
		return err_set(e, ERR_INVALID,
		    "expected error, warn, info or debug, not '%s'", value);
	return 0;
}

int
conf_check_hex(const char *value, size_t bytes, const char *what, struct err *e)
{
	static const char digits[] = "0123456789abcdefABCDEF";

	if (strlen(value) != 2 * bytes || strspn(value, digits) != 2 * bytes)
		return err_set(e, ERR_INVALID,
		    "expected %s of %zu hex digits, not '%s'", what, 2 * bytes,
		    value);
	return 0;
}
