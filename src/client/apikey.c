/* SPDX-License-Identifier: MPL-2.0 */
#include "client/apikey.h"

#include "base/file.h"
#include "base/hex.h"
#include "base/str.h"
#include "client/api.h"
#include "crypto/seal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX 256

const char *
apikey_path(const struct client *c)
{
	const char *env = getenv(APIKEY_ENV);

	return env != NULL && env[0] != '\0' ? env : c->conf.apikey;
}

/* root may hand a service its key through a group; nobody else may. */
static int
check_file(int fd, struct err *e)
{
	struct stat st;
	mode_t others;

	if (fstat(fd, &st) != 0)
		return err_errno(e, "fstat");
	others = st.st_uid == 0 ? 037 : 077;
	if (!S_ISREG(st.st_mode) || (st.st_mode & others) != 0)
		return err_set(e, ERR_DENIED,
		    "a file that only its owner can read is expected (chmod "
		    "600)");
	return 0;
}

static bool
is_key(const char *text)
{
	uint8_t secret[APIKEY_SECRET_LEN];
	bool ok = str_starts(text, APIKEY_PREFIX) &&
	    hex_decode(text + strlen(APIKEY_PREFIX), secret, sizeof(secret)) ==
		0;

	secret_wipe(secret, sizeof(secret));
	return ok;
}

static int
read_key(const char *path, char ret[static APIKEY_LEN + 1], struct err *e)
{
	char text[APIKEY_LEN + 1] = "";
	struct buf b;
	size_t len;
	int fd, r;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return err_errno(e, "cannot be opened");
	buf_init(&b, FILE_MAX);
	/* all room at once: growing would leave copies of it behind */
	r = buf_reserve(&b, FILE_MAX) == NULL
	    ? err_set(e, ERR_NOMEM, "out of memory")
	    : check_file(fd, e);
	if (r == 0)
		r = fd_read_all(fd, &b, e);
	close(fd);
	len = b.len;
	while (len > 0 && (b.data[len - 1] == '\n' || b.data[len - 1] == '\r'))
		len--;
	if (r == 0 && len == APIKEY_LEN)
		memcpy(text, b.data, len);
	if (r == ERR_TOOBIG || (r == 0 && !is_key(text)))
		r = err_set(e, ERR_INVALID,
		    "not an API key as mig apikey make prints it");
	if (r == 0)
		memcpy(ret, text, sizeof(text));
	secret_wipe(text, sizeof(text));
	if (b.data != NULL)
		secret_wipe(b.data, b.cap);
	buf_release(&b);
	return r;
}

int
apikey_ensure(struct client *c, struct err *e)
{
	const char *path;
	char *key;
	int r = client_conf_load(c, e);

	if (r != 0 || c->api_key != NULL || (path = apikey_path(c)) == NULL)
		return r;
	if ((key = calloc(1, APIKEY_LEN + 1)) == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	r = read_key(path, key, e);
	if (r != 0) {
		free(key);
		return err_wrap(e, "the API key in %s", path);
	}
	c->api_key = key;
	return 0;
}

int
apikey_try(struct client *c, struct err *e)
{
	int r = api_json(c, "GET", "/api/v1/status", NULL, NULL, e);

	/* it knows the key, which is for other calls */
	if (r == ERR_DENIED) {
		err_clear(e);
		return 0;
	}
	return r;
}
