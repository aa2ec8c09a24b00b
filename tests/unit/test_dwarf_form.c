/* Forms of attributes and units' lengths. */
#include "symbolizer/dwarf_abbrev.h"
#include "tests/test.h"

#include <dwarf.h>
#include <errno.h>

static const struct dwarf_format format32 = { .version = 5, .address_size = 8, .offset_size = 4 };
static const struct dwarf_format format2 = { .version = 2, .address_size = 8, .offset_size = 4 };

/* Passing over a value moves as far as reading it, for every form that there is. */
static void test_skip_and_read_agree(void)
{
	static const uint8_t bytes[64] = { 0x85, 0x01, 0x02, 0x00, 0x03 };

	for (uint32_t form = 0; form < 0x2000; form++) {
		struct reader skipped = reader_of(bytes, sizeof(bytes)), read = skipped;

		dwarf_skip(&skipped, dwarf_form_skip(form, &format32), &format32);
		dwarf_read(&read, form, 0, &format32);
		CHECK_INT(skipped.failed, read.failed);
		CHECK(skipped.at == read.at);
	}
}

static void test_values(void)
{
	static const uint8_t bytes[] = { 0xfe, 0xff, 0xff, 0xff, 0x7f, 1, 2, 3, 'h', 'i', 0 };
	struct reader r = reader_of(bytes, sizeof(bytes));
	struct dwarf_value v = dwarf_read(&r, DW_FORM_sdata, 0, &format32);

	CHECK(v.kind == DWARF_NUMBER && (int64_t)v.u == -2);
	v = dwarf_read(&r, DW_FORM_strx3, 0, &format32);
	CHECK(v.kind == DWARF_STRING_INDEX && v.u == 0x030201);
	v = dwarf_read(&r, DW_FORM_string, 0, &format32);
	CHECK(v.kind == DWARF_STRING);
	CHECK_STR(v.s, "hi");
	v = dwarf_read(&r, DW_FORM_implicit_const, -7, &format32);
	CHECK(v.kind == DWARF_NUMBER && (int64_t)v.u == -7 && !r.failed);
	v = dwarf_read(&r, DW_FORM_data1, 0, &format32); /* nothing is left */
	CHECK(v.kind == DWARF_NONE && r.failed);
	CHECK_INT(dwarf_form_skip(DW_FORM_ref_addr, &format32), 4);
	CHECK_INT(dwarf_form_skip(DW_FORM_ref_addr, &format2), 8);
}

static void test_indirect_only_once(void)
{
	static const uint8_t good[] = { DW_FORM_data1, 9 }, again[] = { DW_FORM_indirect, 9, 9 };
	struct reader r = reader_of(good, sizeof(good));
	struct dwarf_value v = dwarf_read(&r, DW_FORM_indirect, 0, &format32);

	CHECK(v.kind == DWARF_NUMBER && v.u == 9 && !r.failed);
	r = reader_of(again, sizeof(again));
	v = dwarf_read(&r, DW_FORM_indirect, 0, &format32);
	CHECK(v.kind == DWARF_NONE && r.failed);
}

static void test_lengths(void)
{
	static const uint8_t small[] = { 3, 0, 0, 0, 1, 2, 3, 4 };
	static const uint8_t big[] = { 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0, 7 };
	static const uint8_t reserved[] = { 0xf0, 0xff, 0xff, 0xff, 0, 0 };
	struct reader r = reader_of(small, sizeof(small)), unit;
	uint8_t offset_size;

	unit = dwarf_read_length(&r, &offset_size);
	CHECK(!unit.failed && reader_left(&unit) == 3 && offset_size == 4 && reader_left(&r) == 1);
	r = reader_of(big, sizeof(big));
	unit = dwarf_read_length(&r, &offset_size);
	CHECK(!unit.failed && reader_left(&unit) == 1 && offset_size == 8);
	r = reader_of(reserved, sizeof(reserved));
	unit = dwarf_read_length(&r, &offset_size);
	CHECK(unit.failed);
	r = reader_of(small, 6);
	unit = dwarf_read_length(&r, &offset_size);
	CHECK(unit.failed);
}

static void test_abbreviations(void)
{
	static const uint8_t table[] = {
		1,
		DW_TAG_subprogram,
		1,
		DW_AT_low_pc,
		DW_FORM_addr,
		DW_AT_sibling,
		DW_FORM_ref4,
		DW_AT_decl_line,
		DW_FORM_data2,
		0,
		0, /* fixed: 14 bytes, the sibling at 8 */
		3,
		DW_TAG_namespace,
		1,
		DW_AT_name,
		DW_FORM_string,
		DW_AT_decl_line,
		DW_FORM_data1,
		0,
		0,
		0,
	};
	static const uint8_t entry[] = { 'a', 'b', 0, 5, 99 };
	struct mem mem = { .max = 1 << 16 };
	struct reader r = reader_of(table, sizeof(table));
	const struct dwarf_abbrev *a;
	struct dwarf_abbrevs t;

	CHECK_INT(dwarf_abbrevs_init(&t, r, &format32, 0, &mem), 0);
	a = dwarf_abbrev_find(&t, 1);
	CHECK(a && a->role == DWARF_ROLE_FUNCTION && a->children && a->fixed == 14);
	CHECK(a->sibling && a->sibling_at == 8);
	a = dwarf_abbrev_find(&t, 3);
	CHECK(a && a->role == DWARF_ROLE_SCOPE && a->fixed == UINT32_MAX);
	r = reader_of(entry, sizeof(entry));
	dwarf_abbrev_skip(&t, a, &r);
	CHECK(!r.failed && reader_u8(&r) == 99);
	CHECK(!dwarf_abbrev_find(&t, 0) && !dwarf_abbrev_find(&t, 2));
	CHECK(!dwarf_abbrev_find(&t, UINT64_MAX));
	dwarf_abbrevs_deinit(&t);
	CHECK_INT(mem.used, 0);

	r = reader_of(table, sizeof(table) - 1); /* does not end */
	CHECK_INT(dwarf_abbrevs_init(&t, r, &format32, 0, &mem), -EBADMSG);
	mem.max = 64;
	r = reader_of(table, sizeof(table));
	CHECK_INT(dwarf_abbrevs_init(&t, r, &format32, 0, &mem), -ENOMEM);
	CHECK_INT(mem.used, 0);
}

/* What a walk goes by: ends of children, entries that are plain if their LEB128s are short, and those that are not. */
static void test_codes(void)
{
	static const uint8_t table[] = {
		1,
		DW_TAG_member,
		0,
		DW_AT_type,
		DW_FORM_ref4,
		DW_AT_decl_line,
		DW_FORM_udata,
		DW_AT_data_member_location,
		DW_FORM_udata,
		0,
		0,
		2,
		DW_TAG_variable,
		0,
		DW_AT_location,
		DW_FORM_exprloc,
		0,
		0,
		3,
		DW_TAG_structure_type,
		1,
		DW_AT_sibling,
		DW_FORM_ref4,
		0,
		0,
		0,
	};
	static const uint8_t entry[] = { 2, 7, 8, 99 };
	struct mem mem = { .max = 1 << 16 };
	struct reader r = reader_of(table, sizeof(table));
	const struct dwarf_code *codes;
	struct dwarf_abbrevs t;

	CHECK_INT(dwarf_abbrevs_init(&t, r, &format32, 0, &mem), 0);
	codes = t.by_code;
	CHECK(codes[0].plain == 1 << DWARF_ROLE_END && codes[0].size == 1 && codes[0].deeper == -1);
	CHECK(codes[1].plain == 1 << DWARF_ROLE_NONE && codes[1].size == 7);
	CHECK(codes[1].leb[0] == 5 && codes[1].leb[1] == 6 && !codes[1].leb[2]);
	CHECK(!codes[2].plain && codes[2].sibling_at == DWARF_SIBLING_NONE);
	CHECK(!codes[3].plain && !codes[3].sibling_at && codes[3].deeper == 1);
	CHECK(!codes[4].index && !codes[127].index && !codes[127].plain);
	r = dwarf_skip_steps(&t, codes[2].first_step, codes[2].nr_steps,
			     reader_of(entry, sizeof(entry)));
	CHECK(!r.failed && reader_u8(&r) == 99);
	dwarf_abbrevs_deinit(&t);
}

int main(void)
{
	RUN(test_codes);
	RUN(test_skip_and_read_agree);
	RUN(test_values);
	RUN(test_indirect_only_once);
	RUN(test_lengths);
	RUN(test_abbreviations);
	return 0;
}
