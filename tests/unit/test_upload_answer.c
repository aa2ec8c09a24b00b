/* What a back end's answers mean: the protocol's code first, then the status; and how long it asks us to wait. */
#include "agent/base/clock.h"
#include "agent/exporter/upload_answer.h"
#include "tests/test.h"

#define NOW_S 1700000000 /* Tue, 14 Nov 2023 22:13:20 GMT */

static struct uploadanswer classify(long status, const char *type, const char *retry,
				    const char *body)
{
	struct uploadanswer a;

	uploadanswer_classify(&a, status, type, retry, body, strlen(body), NOW_S);
	return a;
}

static void test_classes(void)
{
	static const struct {
		long status;
		const char *body;
		enum uploadanswer_class class;
	} cases[] = {
		{ 400, "{\"code\":\"invalid_argument\",\"message\":\"no\"}", UPLOADANSWER_REFUSED },
		{ 400, "", UPLOADANSWER_REFUSED },
		{ 422, "text", UPLOADANSWER_REFUSED },
		{ 401, "{\"code\":\"unauthenticated\"}", UPLOADANSWER_AUTH },
		{ 403, "<html>", UPLOADANSWER_AUTH },
		{ 404, "", UPLOADANSWER_NO_BACKEND },
		{ 405, "", UPLOADANSWER_NO_BACKEND },
		{ 415, "", UPLOADANSWER_NO_BACKEND },
		{ 301, "", UPLOADANSWER_NO_BACKEND },
		{ 204, "", UPLOADANSWER_NO_BACKEND },
		{ 501, "{\"code\":\"unimplemented\"}", UPLOADANSWER_NO_BACKEND },
		{ 413, "", UPLOADANSWER_TOO_LARGE },
		{ 429, "{\"code\":\"resource_exhausted\"}", UPLOADANSWER_SLOW_DOWN },
		{ 429, "", UPLOADANSWER_SLOW_DOWN },
		{ 500, "{\"code\":\"unknown\",\"message\":\"EOF\"}", UPLOADANSWER_SUSPECT },
		{ 500, "", UPLOADANSWER_SUSPECT },
		{ 503, "{\"code\":\"unavailable\"}", UPLOADANSWER_RETRY },
		{ 502, "<html>bad gateway</html>", UPLOADANSWER_RETRY },
		{ 504, "{\"code\":\"deadline_exceeded\"}", UPLOADANSWER_RETRY },
		/* the code is the answer, whatever a proxy made of the status */
		{ 500, "{\"code\":\"invalid_argument\"}", UPLOADANSWER_REFUSED },
		{ 400, "{\"code\":\"unavailable\"}", UPLOADANSWER_RETRY },
		/* … when it is one */
		{ 503, "{\"code\":\"made_up\"}", UPLOADANSWER_RETRY },
		{ 503, "{\"code\":7}", UPLOADANSWER_RETRY },
		{ 503, "[\"code\"]", UPLOADANSWER_RETRY },
		{ 503, "{\"code\":\"inv", UPLOADANSWER_RETRY },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct uploadanswer a =
			classify(cases[i].status, "application/json", "", cases[i].body);

		if (a.class != cases[i].class) {
			fprintf(stderr, "%ld %s: %s, expected %s\n", cases[i].status, cases[i].body,
				uploadanswer_name(a.class), uploadanswer_name(cases[i].class));
			exit(1);
		}
	}
}

static void test_only_the_protocol_says_yes(void)
{
	CHECK_INT(classify(200, "application/proto", "", "").class, UPLOADANSWER_STORED);
	CHECK_INT(classify(200, "Application/Proto; x=1", "", "").class, UPLOADANSWER_STORED);
	CHECK_INT(classify(200, "text/html", "", "").class, UPLOADANSWER_NO_BACKEND);
	CHECK_INT(classify(200, "application/protobuf", "", "").class, UPLOADANSWER_NO_BACKEND);
	CHECK_INT(classify(200, "application/proto", "", "hello").class, UPLOADANSWER_NO_BACKEND);
	CHECK_INT(classify(200, "", "", "").class, UPLOADANSWER_NO_BACKEND);
}

static uint64_t seconds(const char *retry_after)
{
	return classify(429, "", retry_after, "").retry_after_ns / NSEC_PER_SEC;
}

static void test_retry_after(void)
{
	CHECK_INT(seconds(""), 0);
	CHECK_INT(seconds("7"), 7);
	CHECK_INT(seconds(" 120"), 120);
	CHECK_INT(seconds("99999"), 3600);
	CHECK_INT(seconds("99999999999999999999999"), 3600);
	CHECK_INT(seconds("-5"), 0);
	CHECK_INT(seconds("7s"), 0);
	CHECK_INT(seconds("Tue, 14 Nov 2023 22:13:50 GMT"), 30);
	CHECK_INT(seconds("Tue, 14 Nov 2023 22:13:19 GMT"), 0);
	CHECK_INT(seconds("Thu, 14 Nov 2041 22:13:19 GMT"), 3600);
	CHECK_INT(seconds("Tue, 14 Nov 2023 22:13:50 GMT+1"), 0);
	CHECK_INT(seconds("soon"), 0);
}

static void test_messages_are_one_printable_line(void)
{
	struct uploadanswer a = classify(
		400, "application/json", "",
		"{\"code\":\"invalid_argument\",\"message\":\"a\\nb\\u001b[31m\\u0000 c\"}");

	CHECK(!strncmp(a.message, "HTTP 400 invalid_argument: a b [31m", 35));
	a = classify(503, "", "", "x\xff\xfey\r\n");
	CHECK_STR(a.message, "HTTP 503: x\xef\xbf\xbd\xef\xbf\xbdy  ");
}

int main(void)
{
	RUN(test_classes);
	RUN(test_only_the_protocol_says_yes);
	RUN(test_retry_after);
	RUN(test_messages_are_one_printable_line);
	return 0;
}
