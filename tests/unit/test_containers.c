/* Names out of the runtimes' own files, of the shapes that Docker, podman, CRI-O and containerd write. */
#include "proto/symwire.h"
#include "symbolizer/codec.h"
#include "symbolizer/containers.h"
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>

static struct buf answer;
static struct symclient_container *list;
static size_t nr;

static void parse(const char *json)
{
	free(list);
	list = NULL;
	buf_deinit(&answer);
	buf_init(&answer, SYMWIRE_ANSWER_MAX);
	CHECK_INT(containers_parse(json, strlen(json), &answer), 0);
	CHECK_INT(codec_decode_containers(answer.data, answer.len, &list, &nr), 0);
}

static void refused(const char *json)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;

	buf_init(&b, SYMWIRE_ANSWER_MAX);
	CHECK_INT(containers_parse(json, strlen(json), &b), -EBADMSG);
	CHECK_INT(b.len, 0);
}

static void test_docker(void)
{
	parse("{\"StreamConfig\":{},\"State\":{\"Running\":true,\"Pid\":4711},\"ID\":\"873035ff\",\"Config\":"
	      "{\"Hostname\":\"873035ffae9c\",\"Env\":[\"PASSWORD=geheim\"],\"Cmd\":[\"sh\"],\"Image\":\"bb:local\","
	      "\"Labels\":{\"app\":\"burn\"}},\"Image\":\"sha256:aa\",\"Name\":\"/burn1\",\"Driver\":\"overlay2\"}");
	CHECK_INT(nr, 1);
	CHECK_STR(list[0].id, "873035ff");
	CHECK_STR(list[0].name, "burn1");
	CHECK_STR(list[0].image, "bb:local");
	CHECK_STR(list[0].pod, "");
	CHECK(!memmem(answer.data, answer.len, "geheim",
		      6)); /* nothing but names leaves the sandbox */
	CHECK(!memmem(answer.data, answer.len, "4711", 4));
}

static void test_docker_below_kubernetes(void)
{
	parse("{\"ID\":\"873035ff\",\"Name\":\"/k8s_app_cart-1_shop_0\",\"Config\":{\"Image\":\"cart:2\",\"Labels\":{"
	      "\"io.kubernetes.container.name\":\"app\",\"io.kubernetes.pod.name\":\"cart-1\","
	      "\"io.kubernetes.pod.namespace\":\"shop\"}}}");
	CHECK_STR(list[0].name, "k8s_app_cart-1_shop_0");
	CHECK_STR(list[0].container, "app");
	CHECK_STR(list[0].pod, "cart-1");
	CHECK_STR(list[0].namespace, "shop");
}

static void test_podman(void)
{
	parse("[{\"id\":\"aaa\",\"names\":[\"n1\",\"alias\"],\"image\":\"img1\",\"layer\":\"l\",\"metadata\":"
	      "\"{\\\"image-name\\\":\\\"localhost/bb:local\\\"}\"},"
	      "{\"id\":\"bbb\",\"names\":[]},{\"id\":\"ccc\"},{\"names\":[\"x\"]},{\"id\":\"ddd\",\"names\":[7]},"
	      "{\"id\":\"eee\",\"names\":[{}]},{\"id\":\"fff\",\"names\":[null]},null,7,\"x\",[],"
	      "{\"id\":\"ggg\",\"names\":[\"n2\"]}]");
	CHECK_INT(nr, 2);
	CHECK_STR(list[0].id, "aaa");
	CHECK_STR(list[0].name, "n1");
	CHECK_STR(list[0].image, "img1");
	CHECK_STR(list[1].id, "ggg");
	CHECK_STR(list[1].name, "n2");
	parse("[]");
	CHECK_INT(nr, 0);
}

static void test_bundles(void)
{
	parse("{\"ociVersion\":\"1.0.2\",\"process\":{\"env\":[\"TOKEN=geheim\"]},\"annotations\":{"
	      "\"io.kubernetes.cri.container-name\":\"app\",\"io.kubernetes.cri.container-type\":\"container\","
	      "\"io.kubernetes.cri.image-name\":\"cart:2\",\"io.kubernetes.cri.sandbox-name\":\"cart-1\","
	      "\"io.kubernetes.cri.sandbox-namespace\":\"shop\"}}");
	CHECK_INT(nr, 1);
	CHECK_STR(list[0].id, ""); /* the bundle's folder is called after it */
	CHECK_STR(list[0].name, "app");
	CHECK_STR(list[0].image, "cart:2");
	CHECK_STR(list[0].pod, "cart-1");
	CHECK_STR(list[0].namespace, "shop");
	CHECK(!memmem(answer.data, answer.len, "geheim", 6));
	parse("{\"annotations\":{\"io.kubernetes.container.name\":\"app\",\"io.kubernetes.pod.name\":\"cart-1\","
	      "\"io.kubernetes.pod.namespace\":\"shop\",\"io.kubernetes.cri-o.ImageName\":\"cart:2\"}}");
	CHECK_STR(list[0].name, "app");
	CHECK_STR(list[0].image, "cart:2");
	CHECK_STR(list[0].pod, "cart-1");
	parse("{\"annotations\":{}}"); /* a bundle of nobody's that says its name */
	CHECK_INT(nr, 0);
}

static void test_hostile_values(void)
{
	parse("{\"ID\":\"a\",\"Name\":\"x\\u0000y<script>\\u001b[31m;\\n\",\"Config\":{\"Image\":\"i\"}}");
	CHECK_STR(list[0].name, "x");
	parse("{\"ID\":\"a\",\"Name\":\"b\",\"Config\":\"no object\"}");
	CHECK_STR(list[0].image, "");
	parse("{\"ID\":\"a\",\"Name\":\"b\",\"Config\":{\"Labels\":[1,2],\"Image\":{\"a\":1}}}");
	CHECK_STR(list[0].image, "");
	parse("{\"annotations\":7}");
	CHECK_INT(nr, 0);
}

static void test_malformed(void)
{
	static const char *const texts[] = {
		"",
		" ",
		"{",
		"[",
		"[{",
		"{\"ID\":",
		"{\"ID\":\"x",
		"x",
		"null",
		"7",
		"\"text\"",
		"{}",
		"{\"ID\":7,\"Name\":8}",
		"{\"ID\":\"a\"}",
		"{\"ID\":\"\",\"Name\":\"b\"}",
		"{\"ID\":\"a\",\"Name\":\"/\"}",
		"\x7f\x45LF",
		"{\"a\":1,}x",
	};
	static char deep[4096];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		refused(texts[i]);
	memset(deep, '[', sizeof(deep) - 1);
	refused(deep);
	for (size_t i = 0; i + 5 < sizeof(deep); i += 5)
		memcpy(deep + i, "{\"a\":", 5);
	refused(deep);
}

/* More containers than an answer holds: the first 4,096. */
static void test_the_bound(void)
{
	_cleanup_(buf_deinitp) struct buf json = BUF_NULL;

	buf_init(&json, 1 << 20);
	buf_addc(&json, '[');
	for (int i = 0; i < SYMWIRE_CONTAINERS_MAX + 100; i++)
		buf_addf(&json, "%s{\"id\":\"i%d\",\"names\":[\"n%d\"]}", i ? "," : "", i, i);
	buf_addc(&json, ']');
	CHECK_INT(json.error, 0);
	parse(buf_str(&json));
	CHECK_INT(nr, SYMWIRE_CONTAINERS_MAX);
	CHECK_STR(list[nr - 1].name, "n4095");
}

static void test_files(void)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	_cleanup_(closep) int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	buf_init(&b, SYMWIRE_ANSWER_MAX);
	CHECK_INT(containers_parse_file(null, &b), -EBADMSG);
	CHECK_INT(containers_parse_file(-1, &b), -EBADF);
}

int main(void)
{
	RUN(test_docker);
	RUN(test_docker_below_kubernetes);
	RUN(test_podman);
	RUN(test_bundles);
	RUN(test_hostile_values);
	RUN(test_malformed);
	RUN(test_the_bound);
	RUN(test_files);
	free(list);
	buf_deinit(&answer);
	return 0;
}
