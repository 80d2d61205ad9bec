/* SPDX-License-Identifier: MPL-2.0 */
/* What makes this machine this machine. */
#include "os/os.h"

#include "base/err.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

/* The first line, or an empty string. */
static void
read_line(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = -1;

	if (fd >= 0) {
		n = read(fd, out, size - 1);
		close(fd);
	}
	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\r\n")] = '\0';
}

/* Each part with its name and terminators, so that one cannot be taken for
 * the other. */
static bool
add_part(crypto_hash_sha256_state *sha, const char *name, const char *value)
{
	if (value[0] == '\0')
		return false;
	crypto_hash_sha256_update(sha, (const uint8_t *)name, strlen(name) + 1);
	crypto_hash_sha256_update(
	    sha, (const uint8_t *)value, strlen(value) + 1);
	return true;
}

int
os_machine_fingerprint(uint8_t out[32], struct err *e)
{
	crypto_hash_sha256_state sha;
	char machine[128], uuid[128];
	bool any;

	read_line("/etc/machine-id", machine, sizeof(machine));
	if (machine[0] == '\0')
		read_line("/var/lib/dbus/machine-id", machine, sizeof(machine));
	/* systemd's word for an image that was not started yet */
	if (strcmp(machine, "uninitialized") == 0)
		machine[0] = '\0';
	read_line("/sys/class/dmi/id/product_uuid", uuid, sizeof(uuid));
	crypto_hash_sha256_init(&sha);
	any = add_part(&sha, "machine-id", machine);
	any = add_part(&sha, "dmi-uuid", uuid) || any;
	if (!any)
		return err_set(e, ERR_NOTFOUND,
		    "neither /etc/machine-id nor the DMI product UUID is "
		    "readable; 'systemd-machine-id-setup' makes the first");
	crypto_hash_sha256_final(&sha, out);
	return 0;
}
