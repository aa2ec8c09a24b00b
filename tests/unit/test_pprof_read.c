/* Foreign pprof: what the format allows is read, every index that leads nowhere is refused with a sentence. */
#include "agent/base/buf.h"
#include "proto/gzip.h"
#include "proto/pprof_read.h"
#include "proto/profile.pb-c.h"
#include "tests/test.h"

#include <errno.h>

/* A small message whose every part can be bent. */
struct bent {
	Perftools__Profiles__Profile profile;
	Perftools__Profiles__ValueType types[2];
	Perftools__Profiles__Sample sample;
	Perftools__Profiles__Label label;
	Perftools__Profiles__Mapping mapping;
	Perftools__Profiles__Location location;
	Perftools__Profiles__Line lines[2];
	Perftools__Profiles__Function functions[2];
	Perftools__Profiles__ValueType *p_types[2];
	Perftools__Profiles__Sample *p_samples[1];
	Perftools__Profiles__Label *p_labels[1];
	Perftools__Profiles__Mapping *p_mappings[1];
	Perftools__Profiles__Location *p_locations[1];
	Perftools__Profiles__Line *p_lines[2];
	Perftools__Profiles__Function *p_functions[2];
	char *strings[10];
	uint64_t ids[2];
	int64_t values[2];
};

static void init(struct bent *b)
{
	static char *const strings[] = { "",       "alloc", "bytes",     "inuse", "f",
					 "/bin/x", "g",     "container", "web",   "sys_g" };

	memset(b, 0, sizeof(*b));
	memcpy(b->strings, strings, sizeof(strings));
	perftools__profiles__profile__init(&b->profile);
	perftools__profiles__sample__init(&b->sample);
	perftools__profiles__label__init(&b->label);
	perftools__profiles__mapping__init(&b->mapping);
	perftools__profiles__location__init(&b->location);
	for (size_t i = 0; i < 2; i++) {
		perftools__profiles__value_type__init(&b->types[i]);
		perftools__profiles__line__init(&b->lines[i]);
		perftools__profiles__function__init(&b->functions[i]);
		b->types[i].type = i ? 3 : 1;
		b->types[i].unit = 2;
		b->functions[i].id = 1000 + 7 * i; /* ids are the writer's choice */
		b->lines[i].function_id = 1000 + 7 * i;
		b->p_types[i] = &b->types[i];
		b->p_lines[i] = &b->lines[i];
		b->p_functions[i] = &b->functions[i];
		b->ids[i] = 99;
	}
	b->functions[0].name = 4;
	b->functions[1].system_name = 9;
	b->values[0] = -5;
	b->values[1] = 7;
	b->mapping.id = 3;
	b->mapping.filename = 5;
	b->location = (Perftools__Profiles__Location) { .base = b->location.base,
							.id = 99,
							.mapping_id = 3,
							.address = 0x1234,
							.n_line = 2,
							.line = b->p_lines };
	b->label.key = 7;
	b->label.str = 8;
	b->p_labels[0] = &b->label;
	b->sample.n_location_id = 2;
	b->sample.location_id = b->ids;
	b->sample.n_value = 2;
	b->sample.value = b->values;
	b->sample.n_label = 1;
	b->sample.label = b->p_labels;
	b->p_samples[0] = &b->sample;
	b->p_mappings[0] = &b->mapping;
	b->p_locations[0] = &b->location;
	b->profile.n_sample_type = 2;
	b->profile.sample_type = b->p_types;
	b->profile.n_sample = 1;
	b->profile.sample = b->p_samples;
	b->profile.n_mapping = 1;
	b->profile.mapping = b->p_mappings;
	b->profile.n_location = 1;
	b->profile.location = b->p_locations;
	b->profile.n_function = 2;
	b->profile.function = b->p_functions;
	b->profile.n_string_table = ARRAY_SIZE(strings);
	b->profile.string_table = b->strings;
	b->profile.duration_nanos = 42;
}

static int read_bent(const struct bent *b, struct pprof_file **ret, struct err *err)
{
	size_t len = perftools__profiles__profile__get_packed_size(&b->profile);
	_cleanup_(freep) uint8_t *data = malloc(len + 1);

	CHECK(data);
	perftools__profiles__profile__pack(&b->profile, data);
	return pprof_read(ret, data, len, err);
}

static void refused(const struct bent *b, const char *what)
{
	struct pprof_file *file = NULL;
	struct err e = ERR_NULL;
	int r = read_bent(b, &file, &e);

	if (r != -EINVAL || file || !strstr(e.text, what)) {
		fprintf(stderr, "%d \"%s\", expected \"%s\"\n", r, e.text, what);
		exit(1);
	}
}

static void test_read(void)
{
	_cleanup_(pprof_file_freep) struct pprof_file *file = NULL;
	struct pprof_sample_view sample;
	struct pprof_location_view location;
	const struct pprof_info *info;
	struct err e = ERR_NULL;
	struct bent b;

	init(&b);
	CHECK_INT(read_bent(&b, &file, &e), 0);
	info = pprof_file_info(file);
	CHECK_INT(info->nr_types, 2);
	CHECK_INT(info->default_type, 1);
	CHECK_STR(info->types[1].type, "inuse");
	CHECK_STR(info->period_type.type, "");
	CHECK_INT(info->duration_ns, 42);
	pprof_file_sample(file, 0, &sample);
	CHECK_INT(sample.values[0], -5);
	CHECK_INT(sample.nr_locations, 2);
	CHECK_INT(sample.locations[1], 0);
	CHECK_STR(sample.container, "web");
	CHECK_STR(sample.comm, "");
	pprof_file_location(file, 0, &location);
	CHECK_INT(location.address, 0x1234);
	CHECK_STR(location.mapping, "/bin/x");
	CHECK_STR(pprof_file_function(file, 0, 0), "f");
	CHECK_STR(pprof_file_function(file, 0, 1), "sys_g");
}

static void test_default_type(void)
{
	_cleanup_(pprof_file_freep) struct pprof_file *file = NULL;
	struct err e = ERR_NULL;
	struct bent b;

	init(&b);
	b.profile.default_sample_type = 1;
	b.lines[0].function_id = 0; /* allowed: a line without a function */
	b.location.mapping_id = 0;
	CHECK_INT(read_bent(&b, &file, &e), 0);
	CHECK_INT(pprof_file_info(file)->default_type, 0);
	CHECK_STR(pprof_file_function(file, 0, 0), "");
}

#define BEND(change, what)                                                                         \
	do {                                                                                       \
		init(&b);                                                                          \
		change;                                                                            \
		refused(&b, what);                                                                 \
	} while (0)

static void test_bent(void)
{
	struct bent b;

	BEND(b.profile.n_string_table = 0, "table of strings");
	BEND(b.strings[0] = "x", "table of strings");
	BEND(b.profile.n_sample_type = 0, "0 sample types");
	BEND(b.types[0].type = 10, "a sample type is string 10");
	BEND(b.types[0].unit = -1, "unit is string -1");
	BEND(b.profile.default_sample_type = INT64_MAX, "default sample type");
	BEND(b.functions[0].name = 10, "a function's name");
	BEND(b.functions[1].system_name = 10, "system name");
	BEND(b.functions[1].id = 1000, "two functions have the id 1000");
	BEND(b.functions[1].id = 0, "a function has no id");
	BEND(b.mapping.id = 0, "a mapping has no id");
	BEND(b.mapping.filename = 77, "a mapping's file");
	BEND(b.location.id = 0, "a location has no id");
	BEND(b.location.mapping_id = 4, "refers to mapping 4");
	BEND(b.lines[1].function_id = 1, "refers to function 1");
	BEND(b.ids[1] = 98, "refers to location 98");
	BEND(b.ids[0] = 0, "refers to location 0");
	BEND(b.sample.n_value = 1, "1 values, but there are 2");
	BEND(b.label.key = 10, "a label's name");
	BEND(b.label.str = -7, "a label's value");
}

static void test_bytes(void)
{
	_cleanup_(buf_deinitp) struct buf packed, twice;
	_cleanup_(pprof_file_freep) struct pprof_file *file = NULL;
	static uint8_t raw[4096];
	struct err e = ERR_NULL;
	struct bent b;
	size_t len;

	init(&b);
	len = perftools__profiles__profile__pack(&b.profile, raw);
	buf_init(&packed, 65536);
	CHECK_INT(gzip_compress(raw, len, &packed), 0);
	CHECK_INT(pprof_read(&file, packed.data, packed.len, &e), 0);
	file = pprof_file_free(file);
	/* Cut off anywhere, it is refused. */
	for (size_t i = 0; i < packed.len; i++)
		CHECK(pprof_read(&file, packed.data, i, &e) < 0);
	for (size_t i = 1; i < len; i++) { /* a message may end between two fields */
		if (!pprof_read(&file, raw, i, &e))
			file = pprof_file_free(file);
	}
	CHECK_INT(pprof_read(&file, "", 0, &e), -EINVAL);
	CHECK(strstr(e.text, "empty"));
	/* Two gzip members are one file, as gzip has it; two messages are one message, as protobuf has it. */
	buf_init(&twice, 65536);
	buf_add(&twice, packed.data, packed.len);
	packed.len = 0;
	CHECK_INT(gzip_compress("", 0, &packed), 0);
	buf_add(&twice, packed.data, packed.len);
	CHECK_INT(pprof_read(&file, twice.data, twice.len, &e), 0);
}

static void test_gzip_bomb(void)
{
	_cleanup_(freep) char *zeros = calloc(1, 64u << 20);
	_cleanup_(buf_deinitp) struct buf packed, plain;

	buf_init(&packed, 1u << 20);
	buf_init(&plain, 1u << 20);
	CHECK(zeros);
	CHECK_INT(gzip_compress(zeros, 64u << 20, &packed), 0);
	CHECK_INT(gzip_decompress(packed.data, packed.len, &plain), -ENOSPC);
	CHECK(plain.len <= 1u << 20);
	CHECK_INT(gzip_decompress("\x1f\x8b garbage", 10, &plain), -EINVAL);
}

int main(void)
{
	RUN(test_read);
	RUN(test_default_type);
	RUN(test_bent);
	RUN(test_bytes);
	RUN(test_gzip_bomb);
	return 0;
}
