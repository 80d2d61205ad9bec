/* SPDX-License-Identifier: MPL-2.0 */
/* stat, maps, smaps and mountinfo of a process: the first byte says in what
 * pieces the rest comes. */
#include "os/os_process.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
on_mapping(const struct os_mapping *m, void *arg)
{
	uint64_t *last = arg;

	if (m->end <= m->begin || strlen(m->path) != m->path_len ||
	    strlen(m->permissions) != 4)
		abort();
	*last = m->end;
	return m->inode != 42;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct os_maps maps;
	struct os_process process;
	struct os_devices devices;
	uint64_t last = 0;
	size_t step, at, n;

	if (size == 0)
		return 0;
	step = data[0] == 0 ? size : data[0];
	data++;
	size--;
	memset(&maps, 0, sizeof(maps));
	for (at = 0; at < size; at += n) {
		n = size - at < step ? size - at : step;
		os_maps_feed(&maps, data + at, n, on_mapping, &last);
	}
	os_maps_end(&maps, on_mapping, &last);
	if (os_process_parse(data, size, &process) == 0 &&
	    strlen(process.comm) >= sizeof(process.comm))
		abort();
	if (os_devices_parse((const char *)data, size, &devices) == 0) {
		os_devices_find(&devices, 0, 1);
		os_devices_release(&devices);
	}
	return 0;
}
