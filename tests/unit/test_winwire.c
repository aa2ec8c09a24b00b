/* The hand-over's messages: what goes in comes out, and damaged bytes are refused. */
#include "proto/winwire.h"
#include "tests/test.h"

#include <errno.h>

static const struct winwire_header full = {
	.boot_id = { 1, 2, 3, 255 },
	.agent_start_ns = 123456789,
	.number = 7,
	.start_boot_ns = 99,
	.duration_ns = 60000000000,
	.start_wall_ns = 1700000000000000000,
	.period_ns = 52631578,
	.rate_hz = 19,
	.nr_cpus = 64,
	.flags = WINWIRE_CLOCK_JUMP,
	.host = "node-1",
	.kernel = "6.1.0",
	.version = "0.1.0",
	.losses = { { .name = "missed", .count = 3 },
		    { .name = "lost: ring full", .count = UINT64_MAX } },
	.nr_losses = 2,
};

static void test_a_window_message_comes_back(void)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	static struct winwire_message m;

	buf_init(&b, WINWIRE_PACKET_MAX);
	winwire_put_window(&b, &full);
	CHECK_INT(b.error, 0);
	CHECK_INT(winwire_parse(b.data, b.len, &m), 0);
	CHECK_INT(m.type, WINWIRE_WINDOW);
	CHECK(!memcmp(&m.header, &full, sizeof(full)));
	for (size_t len = 0; len < b.len; len++)
		CHECK_INT(winwire_parse(b.data, len, &m), -EBADMSG);
	buf_addc(&b, 0);
	CHECK_INT(winwire_parse(b.data, b.len, &m), -EBADMSG);
}

static void test_answers_and_texts_come_back(void)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	static struct winwire_message m;

	buf_init(&b, WINWIRE_PACKET_MAX);
	winwire_put_answer(&b, WINWIRE_REFUSED, 1ull << 40, -ENOSPC);
	CHECK_INT(winwire_parse(b.data, b.len, &m), 0);
	CHECK_INT(m.type, WINWIRE_REFUSED);
	CHECK_INT(m.number, 1ull << 40);
	CHECK_INT(m.error, -ENOSPC);
	buf_reset(&b);
	winwire_put_greeting(&b, WINWIRE_READY, "0.1.0", "127.0.0.1:7380");
	CHECK_INT(winwire_parse(b.data, b.len, &m), 0);
	CHECK_STR(m.address, "127.0.0.1:7380");
	CHECK_STR(m.token, "");
	buf_reset(&b);
	winwire_put_greeting(&b, WINWIRE_HELLO, "0.1.0", "5ec2e7");
	CHECK_INT(winwire_parse(b.data, b.len, &m), 0);
	CHECK_STR(m.text, "0.1.0");
	CHECK_STR(m.token, "5ec2e7");
	b.data[b.len - 3] = '\0'; /* a NUL inside would cut the string for us and not for others */
	CHECK_INT(winwire_parse(b.data, b.len, &m), -EBADMSG);
}

static void test_a_build_id_comes_back_within_its_bounds(void)
{
	static const uint8_t id[WINWIRE_BUILD_ID_MAX + 1] = { 0xab, 0, 0xcd };
	static const size_t good[] = { WINWIRE_BUILD_ID_MIN, 20, WINWIRE_BUILD_ID_MAX };
	static const size_t bad[] = { 0, WINWIRE_BUILD_ID_MIN - 1, WINWIRE_BUILD_ID_MAX + 1 };
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	static struct winwire_message m;

	buf_init(&b, WINWIRE_PACKET_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		buf_reset(&b);
		winwire_put_build_id(&b, WINWIRE_DEBUG_ASK, 1ull << 33, id, good[i]);
		CHECK_INT(winwire_parse(b.data, b.len, &m), 0);
		CHECK_INT(m.type, WINWIRE_DEBUG_ASK);
		CHECK_INT(m.number, 1ull << 33);
		CHECK_INT(m.build_id_len, good[i]);
		CHECK(!memcmp(m.build_id, id, good[i]));
		for (size_t len = 0; len < b.len; len++)
			CHECK_INT(winwire_parse(b.data, len, &m), -EBADMSG);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		buf_reset(&b);
		winwire_put_build_id(&b, WINWIRE_DEBUG_BAD, 0, id, bad[i]);
		CHECK_INT(winwire_parse(b.data, b.len, &m), -EBADMSG);
	}
	buf_reset(&b);
	winwire_put_answer(&b, WINWIRE_DEBUG_FILE, 9, -EFBIG);
	CHECK_INT(winwire_parse(b.data, b.len, &m), 0);
	CHECK_INT(m.number, 9);
	CHECK_INT(m.error, -EFBIG);
}

static void test_a_body_comes_back(void)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	const uint8_t profile[] = { 0, 1, 2 };
	struct winwire_owner in = {
		.name = "web", .id = "abc", .runtime = "docker", .image = "", .cgroup_path = "/x",
		.labels = { { "pod", "web-0" }, { "namespace", "shop" } }, .nr_labels = 2,
		.samples = 1140, .value_ns = 60000000000, .usage_ns = WINWIRE_UNKNOWN,
		.nr_throttled = 0, .throttled_ns = 5, .profile = profile, .profile_len = 3,
	}, out;
	struct winwire_body body;

	buf_init(&b, WINWIRE_BODY_MAX);
	winwire_put_body(&b, 2);
	winwire_put_owner(&b, &in);
	winwire_put_owner(&b, &in);
	CHECK_INT(winwire_body_init(&body, b.data, b.len), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_INT(winwire_body_next(&body, &out), 1);
		CHECK_STR(out.name, "web");
		CHECK_INT(out.nr_labels, 2);
		CHECK_STR(out.labels[1].value, "shop");
		CHECK(out.usage_ns == WINWIRE_UNKNOWN);
		CHECK_INT(out.throttled_ns, 5);
		CHECK_INT(out.profile_len, 3);
		CHECK(!memcmp(out.profile, profile, 3));
	}
	CHECK_INT(winwire_body_next(&body, &out), 0);
	for (size_t len = 6; len < b.len; len++) {
		int r = winwire_body_init(&body, b.data, len);

		while (r >= 0 && (r = winwire_body_next(&body, &out)) > 0)
			;
		CHECK_INT(r, -EBADMSG);
	}
}

static void test_seconds_come_back(void)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	const uint32_t in[] = { 0, 19, 300, UINT32_MAX, 0, 0 };
	uint32_t out[8];

	buf_init(&b, 4096);
	winwire_put_seconds(&b, in, ARRAY_SIZE(in));
	CHECK_INT(winwire_parse_seconds(b.data, b.len, out, ARRAY_SIZE(out)), 4);
	CHECK(!memcmp(in, out, 4 * sizeof(*in)));
	CHECK_INT(winwire_parse_seconds("\xff", 1, out, ARRAY_SIZE(out)), -EBADMSG);
	CHECK_INT(winwire_parse_seconds(NULL, 0, out, ARRAY_SIZE(out)), 0); /* of a roll-up */
}

static void test_losses_add_up_by_name(void)
{
	static struct winwire_header sum, one = {
		.losses = { { .name = "missed", .count = 3 }, { .name = "late", .count = 1 } },
		.nr_losses = 2,
	};
	static struct winwire_header other = { .nr_losses = 1 };

	winwire_add_losses(&sum, &one);
	winwire_add_losses(&sum, &one);
	CHECK_INT(sum.nr_losses, 2);
	CHECK_INT(sum.losses[0].count, 6);
	CHECK_INT(sum.losses[1].count, 2);
	for (size_t i = 2; i < WINWIRE_MAX_LOSSES + 3; i++) {
		snprintf(other.losses[0].name, sizeof(other.losses[0].name), "other %zu", i);
		other.losses[0].count = 10;
		winwire_add_losses(&sum, &other);
	}
	CHECK_INT(sum.nr_losses, WINWIRE_MAX_LOSSES);
	CHECK_INT(sum.losses[WINWIRE_MAX_LOSSES - 1].count,
		  40); /* its own, and three that had no room */
}

static void test_numbers_keep_to_64_bits(void)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	struct varint_reader r;

	buf_init(&b, 4096);
	varint_put(&b, UINT64_MAX);
	varint_put_signed(&b, INT64_MIN);
	varint_put_signed(&b, -1);
	varint_reader_init(&r, b.data, b.len);
	CHECK(varint_get(&r) == UINT64_MAX);
	CHECK(varint_get_signed(&r) == INT64_MIN);
	CHECK_INT(varint_get_signed(&r), -1);
	CHECK(!r.broken && !varint_left(&r));
	varint_get(&r);
	CHECK(r.broken);
	varint_reader_init(&r, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10);
	varint_get(&r);
	CHECK(r.broken);
}

int main(void)
{
	RUN(test_a_window_message_comes_back);
	RUN(test_answers_and_texts_come_back);
	RUN(test_a_build_id_comes_back_within_its_bounds);
	RUN(test_a_body_comes_back);
	RUN(test_seconds_come_back);
	RUN(test_losses_add_up_by_name);
	RUN(test_numbers_keep_to_64_bits);
	return 0;
}
