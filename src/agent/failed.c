/* SPDX-License-Identifier: MPL-2.0 */
#include "agent/failed.h"

#include "agent/messages.h"
#include "proc/proc.h"

#include <string.h>

int
msg_failed(uint16_t type, const char *text)
{
	uint8_t field[4 + MSG_TEXT_MAX] = { 0 };
	size_t len = strnlen(text, MSG_TEXT_MAX - 1);

	field[2] = (uint8_t)(len >> 8);
	field[3] = (uint8_t)len;
	memcpy(field + 4, text, len);
	(void)ipc_write(PROC_IPC_FD, type, 0, field, 4 + len, -1, NULL);
	return 1;
}
