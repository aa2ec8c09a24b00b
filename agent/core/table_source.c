/* Where unwind tables come from. */
#include "agent/core/table_source.h"
#include "agent/base/log.h"

#include <errno.h>
#include <sys/stat.h>

/* Files up to this size are asked for before names are, larger ones after. */
#define SMALL_BYTES (10 << 20)

struct table_source {
	struct tables *tables;
	struct symclient *symbolizer;
	/* [nr_slots] under way, or NULL: a request whose file has gone meanwhile is answered for nobody */
	struct request **requests;
};

struct request {
	struct table_source *source;
	uint32_t slot;
};

static void on_table(enum symclient_status status, const void *image, size_t size, void *userdata)
{
	struct request *request = userdata;
	struct table_source *s = request->source;
	uint32_t slot = request->slot;
	bool current = s->requests[slot] == request;

	free(request);
	if (!current)
		return;
	s->requests[slot] = NULL;
	switch (status) {
	case SYMCLIENT_OK:
		tables_put(s->tables, slot, image, size);
		break;
	case SYMCLIENT_NOT_ELF:
		tables_put_none(s->tables, slot, TABLES_NONE);
		break;
	case SYMCLIENT_LOST:
		tables_put_none(s->tables, slot, TABLES_LOST);
		break;
	default:
		tables_put_none(s->tables, slot, TABLES_FAILED);
	}
}

static enum symclient_priority priority_of(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_size > SMALL_BYTES ? SYMCLIENT_BIG : SYMCLIENT_SMALL_TABLES;
}

static int ask(uint32_t slot, const struct symclient_file *file, void *userdata)
{
	struct table_source *s = userdata;
	struct request *request = calloc(1, sizeof(*request));
	int r;

	if (!request)
		return -ENOMEM;
	*request = (struct request) { .source = s, .slot = slot };
	s->requests[slot] = request;
	r = symclient_unwind(s->symbolizer, file, priority_of(file->fd), on_table, request);
	if (r < 0) {
		s->requests[slot] = NULL;
		free(request);
		log_debug("cannot ask for an unwind table: %s", err_str(r));
	}
	return r;
}

int table_source_new(struct table_source **ret, struct loop *loop, struct sampler_tables *memory,
		     struct symclient *symbolizer)
{
	_cleanup_(table_source_freep) struct table_source *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->symbolizer = symbolizer;
	s->requests = calloc(sampler_tables_nr_slots(memory), sizeof(struct request *));
	if (!s->requests)
		return -ENOMEM;
	r = tables_new(&s->tables, loop, memory, ask, s);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

struct table_source *table_source_free(struct table_source *s)
{
	if (!s)
		return NULL;
	tables_free(s->tables);
	free(s->requests);
	free(s);
	return NULL;
}

uint32_t table_source_add(struct table_source *s, const struct symclient_file *file)
{
	return tables_add(s->tables, file);
}

void table_source_add_vdso(struct table_source *s, const struct symclient_file *file)
{
	tables_add_vdso(s->tables, file);
}

void table_source_again(struct table_source *s, uint32_t slot, int debug_fd)
{
	if (slot != UNWIND_SLOT_NONE)
		tables_again(s->tables, slot, debug_fd);
}

void table_source_remove(struct table_source *s, uint32_t slot)
{
	if (slot == UNWIND_SLOT_NONE)
		return;
	s->requests[slot] = NULL;
	tables_remove(s->tables, slot);
}

struct tables *table_source_tables(struct table_source *s)
{
	return s->tables;
}
