/* SPDX-License-Identifier: MPL-2.0 */
/* What is installed: SQLite reads and writes as it does. */
#include "server/store/sql.h"

const char *
store_vfs(void)
{
	return (NULL);
}
