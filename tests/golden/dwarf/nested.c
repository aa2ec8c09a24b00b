/* Inlined calls within blocks within inlined calls; a cold part; a function within a function. */
volatile int sink;
int outside(int x);

static inline __attribute__((always_inline)) int deepest(int x)
{
	{
		int y = x * 3;

		return y + outside(y);
	}
}

static inline __attribute__((always_inline)) int middle(int n)
{
	int sum = 0;

	for (int i = 0; i < n; i++) {
		int z = deepest(i);

		{
			int w = z ^ i;

			sum += w * deepest(w);
		}
	}
	return sum;
}

__attribute__((cold, noinline)) static void rare(int x)
{
	sink = x;
}

__attribute__((noinline)) int outside(int x)
{
	if (__builtin_expect(x == 7, 0)) {
		rare(x);
		sink += middle(x);
		__builtin_trap();
	}
	return x + 1;
}

__attribute__((noinline)) static int holder(int n)
{
	int held(int q)
	{
		return q + n + deepest(q);
	}
	int (*volatile call)(int) = held;

	return call(n) + middle(n);
}

void _start(void)
{
	for (;;)
		sink += holder(sink) + middle(3);
}
