/* Reading pprof, ours or anybody's. */
#include "proto/pprof_read.h"
#include "agent/base/buf.h"
#include "agent/base/hashmap.h"
#include "proto/gzip.h"
#include "proto/profile.pb-c.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct pprof_file {
	ProtobufCAllocator allocator;
	size_t left; /* bytes that decoding may still take */
	Perftools__Profiles__Profile *message;
	struct pprof_info info;
	struct err *err; /* while it is read */
};

/* Freed memory is not given back to `left`: nothing is freed but on failure. */
static void *limited_alloc(void *data, size_t size)
{
	struct pprof_file *file = data;

	if (size > file->left)
		return NULL;
	file->left -= size;
	return malloc(size);
}

static void limited_free(void *data, void *pointer)
{
	free(pointer);
}

struct pprof_file *pprof_file_free(struct pprof_file *file)
{
	if (!file)
		return NULL;
	if (file->message)
		perftools__profiles__profile__free_unpacked(file->message, &file->allocator);
	free(file);
	return NULL;
}

static int check_string(struct pprof_file *file, int64_t index, const char *what)
{
	if (index < 0 || (uint64_t)index >= file->message->n_string_table)
		return err_set(file->err, -EINVAL, "%s is string %" PRId64 " of a table of %zu",
			       what, index, file->message->n_string_table);
	return 0;
}

static const char *string(const struct pprof_file *file, int64_t index)
{
	return file->message->string_table[index];
}

static int check_type(struct pprof_file *file, const Perftools__Profiles__ValueType *type,
		      struct pprof_value_type *ret)
{
	int r;

	*ret = (struct pprof_value_type) { "", "" };
	if (!type)
		return 0;
	r = check_string(file, type->type, "a sample type");
	if (!r)
		r = check_string(file, type->unit, "a sample type's unit");
	if (!r)
		*ret = (struct pprof_value_type) { string(file, type->type),
						   string(file, type->unit) };
	return r;
}

static int check_types(struct pprof_file *file)
{
	const Perftools__Profiles__Profile *m = file->message;
	struct pprof_info *info = &file->info;
	int r = check_type(file, m->period_type, &info->period_type);

	if (!m->n_sample_type || m->n_sample_type > PPROF_READ_TYPES_MAX)
		return err_set(file->err, -EINVAL, "it has %zu sample types, not 1 to %d",
			       m->n_sample_type, PPROF_READ_TYPES_MAX);
	info->nr_types = m->n_sample_type;
	info->default_type = m->n_sample_type - 1;
	if (!r)
		r = check_string(file, m->default_sample_type, "the default sample type");
	for (size_t i = 0; i < info->nr_types && !r; i++) {
		r = check_type(file, m->sample_type[i], &info->types[i]);
		if (!r && m->default_sample_type &&
		    !strcmp(info->types[i].type, string(file, m->default_sample_type)))
			info->default_type = i;
	}
	return r;
}

/* id → index + 1; ids are what the writer likes, but for 0. */
static int add_id(struct pprof_file *file, struct hashmap *ids, uint64_t id, size_t index,
		  const char *what)
{
	void *value;
	bool is_new;

	if (!id)
		return err_set(file->err, -EINVAL, "a %s has no id", what);
	if (hashmap_put(ids, &id, &value, &is_new))
		return -ENOMEM;
	if (!is_new)
		return err_set(file->err, -EINVAL, "two %ss have the id %" PRIu64, what, id);
	*(uint64_t *)value = index;
	return 0;
}

static int find_id(struct pprof_file *file, const struct hashmap *ids, uint64_t *id,
		   const char *what)
{
	const uint64_t *index = hashmap_get(ids, id);

	if (!index)
		return err_set(file->err, -EINVAL,
			       "it refers to %s %" PRIu64 ", which is not there", what, *id);
	*id = *index;
	return 0;
}

static int check_mappings(struct pprof_file *file, struct hashmap *ids)
{
	const Perftools__Profiles__Profile *m = file->message;
	int r = 0;

	for (size_t i = 0; i < m->n_mapping && !r; i++) {
		r = add_id(file, ids, m->mapping[i]->id, i, "mapping");
		if (!r)
			r = check_string(file, m->mapping[i]->filename, "a mapping's file");
	}
	return r;
}

static int check_functions(struct pprof_file *file, struct hashmap *ids)
{
	const Perftools__Profiles__Profile *m = file->message;
	int r = 0;

	for (size_t i = 0; i < m->n_function && !r; i++) {
		r = add_id(file, ids, m->function[i]->id, i, "function");
		if (!r)
			r = check_string(file, m->function[i]->name, "a function's name");
		if (!r)
			r = check_string(file, m->function[i]->system_name,
					 "a function's system name");
	}
	return r;
}

/* A line without a function is allowed: it has no name then. */
static int check_location(struct pprof_file *file, Perftools__Profiles__Location *l,
			  const struct hashmap *mappings, const struct hashmap *functions)
{
	int r = 0;

	if (l->mapping_id) {
		r = find_id(file, mappings, &l->mapping_id, "mapping");
		l->mapping_id++;
	}
	for (size_t i = 0; i < l->n_line && !r; i++) {
		if (!l->line[i]->function_id)
			continue;
		r = find_id(file, functions, &l->line[i]->function_id, "function");
		l->line[i]->function_id++;
	}
	return r;
}

static int check_locations(struct pprof_file *file, struct hashmap *ids,
			   const struct hashmap *mappings, const struct hashmap *functions)
{
	Perftools__Profiles__Profile *m = file->message;
	int r = 0;

	for (size_t i = 0; i < m->n_location && !r; i++) {
		r = add_id(file, ids, m->location[i]->id, i, "location");
		if (!r)
			r = check_location(file, m->location[i], mappings, functions);
	}
	file->info.nr_locations = m->n_location;
	return r;
}

static int check_sample(struct pprof_file *file, Perftools__Profiles__Sample *s,
			const struct hashmap *locations)
{
	int r = 0;

	if (s->n_value != file->info.nr_types)
		return err_set(file->err, -EINVAL,
			       "a sample has %zu values, but there are %zu sample types",
			       s->n_value, file->info.nr_types);
	for (size_t i = 0; i < s->n_location_id && !r; i++)
		r = find_id(file, locations, &s->location_id[i], "location");
	for (size_t i = 0; i < s->n_label && !r; i++) {
		r = check_string(file, s->label[i]->key, "a label's name");
		if (!r)
			r = check_string(file, s->label[i]->str, "a label's value");
	}
	return r;
}

static int new_ids(struct hashmap **ret, size_t nr)
{
	return hashmap_new(ret, sizeof(uint64_t), sizeof(uint64_t), nr + 1);
}

static int check_tables(struct pprof_file *file)
{
	_cleanup_(hashmap_freep) struct hashmap *mappings = NULL, *functions = NULL,
						*locations = NULL;
	Perftools__Profiles__Profile *m = file->message;
	int r = new_ids(&mappings, m->n_mapping);

	if (!r)
		r = new_ids(&functions, m->n_function);
	if (!r)
		r = new_ids(&locations, m->n_location);
	if (!r)
		r = check_mappings(file, mappings);
	if (!r)
		r = check_functions(file, functions);
	if (!r)
		r = check_locations(file, locations, mappings, functions);
	for (size_t i = 0; i < m->n_sample && !r; i++)
		r = check_sample(file, m->sample[i], locations);
	file->info.nr_samples = m->n_sample;
	return r;
}

static int check(struct pprof_file *file)
{
	const Perftools__Profiles__Profile *m = file->message;
	int r;

	if (!m->n_string_table || *m->string_table[0])
		return err_set(file->err, -EINVAL, "its table of strings does not begin with \"\"");
	r = check_types(file);
	if (!r)
		r = check_tables(file);
	file->info.period = m->period;
	file->info.time_ns = m->time_nanos;
	file->info.duration_ns = m->duration_nanos;
	return r;
}

static bool is_gzip(const void *data, size_t len)
{
	return len > 2 && !memcmp(data, "\x1f\x8b", 2);
}

static int unpack(struct pprof_file *file, const void *data, size_t len, struct err *err)
{
	file->message = perftools__profiles__profile__unpack(&file->allocator, len, data);
	if (file->message)
		return 0;
	if (file->left < PPROF_READ_MEMORY_MAX / 64) /* the bound, or close to it */
		return err_set(err, -ENOSPC, "it takes more than %llu MiB to decode",
			       PPROF_READ_MEMORY_MAX >> 20);
	return err_set(err, -EINVAL, "not a pprof message");
}

int pprof_read(struct pprof_file **ret, const void *data, size_t len, struct err *err)
{
	_cleanup_(pprof_file_freep) struct pprof_file *file = calloc(1, sizeof(*file));
	_cleanup_(buf_deinitp) struct buf plain;
	int r = 0;

	buf_init(&plain, PPROF_READ_BYTES_MAX);
	if (!file)
		return -ENOMEM;
	file->allocator = (ProtobufCAllocator) { limited_alloc, limited_free, file };
	file->left = PPROF_READ_MEMORY_MAX;
	file->err = err;
	if (is_gzip(data, len)) {
		r = gzip_decompress(data, len, &plain);
		if (r == -ENOSPC)
			return err_set(err, r, "it is more than %llu MiB unpacked",
				       PPROF_READ_BYTES_MAX >> 20);
		if (r == -EINVAL)
			return err_set(err, r, "damaged or cut off: gzip cannot unpack it");
		data = buf_str(&plain);
		len = plain.len;
	}
	if (!r && !len)
		r = err_set(err, -EINVAL, "it is empty");
	if (!r)
		r = unpack(file, data, len, err);
	if (!r)
		r = check(file);
	if (r)
		return r;
	file->err = NULL;
	*ret = TAKE_PTR(file);
	return 0;
}

const struct pprof_info *pprof_file_info(const struct pprof_file *file)
{
	return &file->info;
}

void pprof_file_sample(const struct pprof_file *file, size_t index, struct pprof_sample_view *ret)
{
	const Perftools__Profiles__Sample *s = file->message->sample[index];

	*ret = (struct pprof_sample_view) { .values = s->value,
					    .locations = s->location_id,
					    .nr_locations = s->n_location_id,
					    .container = "",
					    .comm = "" };
	for (size_t i = 0; i < s->n_label; i++) {
		const char *key = string(file, s->label[i]->key);

		if (!strcmp(key, "container"))
			ret->container = string(file, s->label[i]->str);
		else if (!strcmp(key, "comm"))
			ret->comm = string(file, s->label[i]->str);
	}
}

void pprof_file_location(const struct pprof_file *file, size_t index,
			 struct pprof_location_view *ret)
{
	const Perftools__Profiles__Location *l = file->message->location[index];

	*ret = (struct pprof_location_view) { .address = l->address,
					      .has_mapping = l->mapping_id,
					      .mapping = "",
					      .nr_lines = l->n_line };
	if (l->mapping_id)
		ret->mapping = string(file, file->message->mapping[l->mapping_id - 1]->filename);
}

const char *pprof_file_function(const struct pprof_file *file, size_t location, size_t line)
{
	uint64_t id = file->message->location[location]->line[line]->function_id;
	const Perftools__Profiles__Function *f;
	const char *name;

	if (!id)
		return "";
	f = file->message->function[id - 1];
	name = string(file, f->name);
	return *name ? name : string(file, f->system_name);
}
