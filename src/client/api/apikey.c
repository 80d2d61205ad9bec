/* SPDX-License-Identifier: MPL-2.0 */
#include "client/api/apikey.h"

#include "base/file.h"
#include "base/hex.h"
#include "base/str.h"
#include "client/api/api.h"
#include "crypto/seal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX 256

struct apikey {
	char key[APIKEY_LEN + 1];
	char ca[2 * ID_LEN + 1]; /* "": none is named */
};

const char *
apikey_path(const struct client *c)
{
	const char *env = getenv(APIKEY_ENV);

	return env != NULL && env[0] != '\0' ? env : c->conf.apikey;
}

/* Of nobody else: whoever owns it could change whom one is. root may hand a
 * service its key through a group; nobody else may. */
static int
check_file(int fd, struct err *e)
{
	struct stat st;
	mode_t others;

	if (fstat(fd, &st) != 0)
		return err_errno(e, "fstat");
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return err_set(e, ERR_DENIED,
		    "it is of another user (uid %u): it has to be your own or "
		    "root's",
		    (unsigned int)st.st_uid);
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

/* The next line, without its end; moves *text behind it. */
static size_t
line_len(const char **text)
{
	size_t len = strcspn(*text, "\r\n");

	*text += len;
	*text += strspn(*text, "\r\n");
	return len;
}

static bool
parse(const char *text, struct apikey *ret)
{
	const char *line = text;
	uint8_t ca[ID_LEN];

	if (line_len(&text) != APIKEY_LEN)
		return false;
	memcpy(ret->key, line, APIKEY_LEN);
	if (!is_key(ret->key))
		return false;
	if (text[0] == '\0')
		return true;
	line = text + strlen(APIKEY_CA);
	if (!str_starts(text, APIKEY_CA) ||
	    line_len(&text) != strlen(APIKEY_CA) + 2 * sizeof(ca) ||
	    text[0] != '\0')
		return false;
	memcpy(ret->ca, line, 2 * sizeof(ca));
	return hex_decode(ret->ca, ca, sizeof(ca)) == 0;
}

static int
read_key(const char *path, struct apikey *ret, struct err *e)
{
	const char *text;
	struct buf b;
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
	text = r == 0 ? buf_str(&b) : NULL;
	if (r == ERR_TOOBIG ||
	    (r == 0 &&
		(text == NULL || strlen(text) != b.len || !parse(text, ret))))
		r = err_set(e, ERR_INVALID,
		    "not an API key as mig apikey make prints it");
	if (b.data != NULL)
		secret_wipe(b.data, b.cap);
	buf_release(&b);
	return r;
}

int
apikey_load(struct client *c, struct err *e)
{
	struct apikey found = { "", "" };
	const char *path;
	char *key;
	int r = client_conf_load(c, e);

	if (r != 0 || c->api_key != NULL || (path = apikey_path(c)) == NULL)
		return r;
	if ((key = calloc(1, APIKEY_LEN + 1)) == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	r = read_key(path, &found, e);
	if (r == 0) {
		memcpy(key, found.key, sizeof(found.key));
		memcpy(c->api_key_ca, found.ca, sizeof(found.ca));
		c->api_key = key;
	} else {
		free(key);
		err_wrap(e, "the API key in %s", path);
	}
	secret_wipe(&found, sizeof(found));
	return r;
}

/* Who is asked under another address is the same: no other has its CA. */
int
apikey_fits(const struct client *c, struct err *e)
{
	if (c->api_key == NULL || c->api_key_ca[0] == '\0' ||
	    c->conf.ca == NULL || strcasecmp(c->api_key_ca, c->conf.ca) == 0)
		return 0;
	return err_set(e, ERR_AUTH,
	    "the API key in %s is not for this server: its file names the CA "
	    "%s, and %s has %s; it is not sent (when the platform itself has a "
	    "new CA, change the file)",
	    apikey_path(c), c->api_key_ca,
	    c->conf.server != NULL ? c->conf.server : "the configuration",
	    c->conf.ca);
}

int
apikey_ensure(struct client *c, struct err *e)
{
	int r = apikey_load(c, e);

	return r == 0 ? apikey_fits(c, e) : r;
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
