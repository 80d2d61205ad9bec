/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/pkg/rpmheader.h"

#include "base/err.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rpm_header h;

	if (rpm_header_parse(data, size, &h, NULL) == 0)
		BUG_ON(strlen(h.name) == 0 || strlen(h.version) == 0 ||
		    strlen(h.release) == 0 || strlen(h.arch) >= size);
	return 0;
}
