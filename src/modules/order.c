/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/order.h"

#include "base/err.h"

#include <string.h>

#define OPERATION_MAX 63
#define PERCENT_MAX 100000
#define OUTPUT_MAX (INT64_C(1) << 30)

uint32_t
order_threads(int64_t cpu_percent)
{
	if (cpu_percent <= 100)
		return 1;
	if (cpu_percent > ORDER_THREADS_MAX * 100)
		return ORDER_THREADS_MAX;
	return (uint32_t)((cpu_percent + 99) / 100);
}

int
order_write(const struct order *o, struct buf *out)
{
	buf_add_u8(out, o->operation);
	buf_add_u8(out, o->module);
	buf_add_u64(out, (uint64_t)o->seconds);
	buf_add_u64(out, (uint64_t)o->cpu_seconds);
	buf_add_u64(out, (uint64_t)o->memory_bytes);
	buf_add_u64(out, (uint64_t)o->read_bytes);
	buf_add_u64(out, (uint64_t)o->cpu_percent);
	buf_add_u64(out, (uint64_t)o->output_max);
	buf_add_u8(out, o->privacy);
	buf_add_u8(out, o->detail);
	buf_add_field(out, o->paths, strlen(o->paths));
	buf_add_field(out, o->state, strlen(o->state));
	return buf_add_field(out, o->document, o->document_len);
}

int
order_parse(const void *data, size_t len, struct order *ret)
{
	struct order o;
	uint8_t privacy;
	struct rd r;

	memset(&o, 0, sizeof(o));
	rd_init(&r, data, len);
	o.operation = rd_u8(&r);
	o.module = rd_u8(&r);
	o.seconds = (int64_t)rd_u64(&r);
	o.cpu_seconds = (int64_t)rd_u64(&r);
	o.memory_bytes = (int64_t)rd_u64(&r);
	o.read_bytes = (int64_t)rd_u64(&r);
	o.cpu_percent = (int64_t)rd_u64(&r);
	o.output_max = (int64_t)rd_u64(&r);
	privacy = rd_u8(&r);
	o.privacy = privacy == 1;
	o.detail = rd_u8(&r);
	rd_field_str(&r, o.paths, sizeof(o.paths));
	rd_field_str(&r, o.state, sizeof(o.state));
	o.document = rd_field(&r, ORDER_SHORT_MAX, &o.document_len);
	if (!rd_done(&r) || privacy > 1 || o.detail > ORDER_DETAIL_MAX ||
	    o.operation > OPERATION_MAX || o.seconds < 0 || o.cpu_seconds < 0 ||
	    o.memory_bytes < 0 || o.read_bytes < 0 || o.cpu_percent < 0 ||
	    o.cpu_percent > PERCENT_MAX || o.output_max <= 0 ||
	    o.output_max > OUTPUT_MAX)
		return ERR_INVALID;
	*ret = o;
	return 0;
}
