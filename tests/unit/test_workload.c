/* Pods' names as Kubernetes' controllers make them, and names that only look like it. */
#include "agent/core/workload.h"
#include "tests/test.h"

static void is(const char *pod, const char *workload)
{
	char out[256];

	workload_of_pod(pod, out, sizeof(out));
	CHECK_STR(out, workload);
}

static void test_controllers(void)
{
	is("shop-7d4b9c6f5-x2x4z", "shop"); /* Deployment */
	is("my-shop-web-5d9f8c7b64-ptq4v", "my-shop-web");
	is("node-exporter-4k8jz", "node-exporter"); /* DaemonSet, Job */
	is("backup-28345670-7xk2p", "backup"); /* CronJob */
	is("postgres-0", "postgres"); /* StatefulSet */
	is("postgres-12", "postgres");
	is("kube-apiserver-node1", "kube-apiserver-node1"); /* static pod */
	is("plain", "plain");
	is("", "");
}

static void test_odd_names(void)
{
	is("-0", "-0");
	is("a-", "a-");
	is("-", "-");
	is("web-abcde", "web-abcde"); /* vowels: no random part */
	is("web-1234567890123", "web"); /* an ordinal of any length */
}

int main(void)
{
	RUN(test_controllers);
	RUN(test_odd_names);
	return 0;
}
