/* SPDX-License-Identifier: MPL-2.0 */
#include "scan/lib.h"

#include "base/err.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void (*on_load)(void);

void
lib_on_load(void (*tell)(void))
{
	on_load = tell;
}

static int
load(const char *soname, const struct lib_symbol *symbols, size_t n,
    struct err *e)
{
	void *lib, *sym;
	size_t i;

	if (on_load != NULL)
		on_load();
	lib = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
	if (lib == NULL)
		return err_set(e, ERR_UNSUPPORTED, "cannot load %s: %s", soname,
		    dlerror());
	for (i = 0; i < n; i++) {
		if (dlsym(lib, symbols[i].name) == NULL) {
			dlclose(lib);
			return err_set(e, ERR_UNSUPPORTED, "%s has no %s",
			    soname, symbols[i].name);
		}
	}
	for (i = 0; i < n; i++) {
		sym = dlsym(lib, symbols[i].name);
		memcpy(symbols[i].slot, &sym, sizeof(sym));
	}
	return 0;
}

int
lib_load(const char *soname, const struct lib_symbol *symbols, size_t n,
    bool *loaded, struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&lock);
	if (!*loaded) {
		rc = load(soname, symbols, n, e);
		*loaded = rc == 0;
	}
	pthread_mutex_unlock(&lock);
	return rc;
}
