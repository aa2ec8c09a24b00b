/*
 * What is recorded: calls of every shape that a frame without a frame pointer can have, without a C library.
 *
 * Each function keeps its result alive, so that no call becomes a jump but where that is meant.
 */

void replay_main(void);
unsigned long handled(void);

/* entry_*.S */
unsigned long system_call(unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
			  unsigned long d);
unsigned long call_by_hand(unsigned long (*fn)(unsigned long), unsigned long x);
extern char restorer[];
#if defined(__x86_64__)
#define NR_KILL 62
#define NR_GETPID 39
#define NR_SIGACTION 13
#define NR_EXIT_GROUP 231
#else
#define NR_KILL 129
#define NR_GETPID 172
#define NR_SIGACTION 134
#define NR_EXIT_GROUP 94
#endif
#define SIGUSR1 10
#define SA_RESTORER 0x04000000UL

#define noinline __attribute__((noinline, noclone))

static volatile unsigned long sink;

static noinline unsigned long leaf(unsigned long x)
{
	return x * 3 + 1;
}

static noinline unsigned long recursion(unsigned long n)
{
	volatile unsigned long local[6];

	local[n % 6] = n;
	if (!n)
		return leaf(local[0]);
	return recursion(n - 1) + local[n % 6];
}

/* The stack pointer moves while the function runs: CFA by the frame pointer. */
static noinline unsigned long moving(unsigned long n)
{
	volatile unsigned long *room = __builtin_alloca(n * 16);

	room[0] = leaf(n);
	return room[0] + leaf(room[0] & 7);
}

/* An alignment above the ABI's: x86's CFA is read from memory. */
static noinline unsigned long aligned(unsigned long n)
{
	volatile unsigned long local[16] __attribute__((aligned(64)));

	local[n & 15] = leaf(n);
	return local[n & 15] + moving(n & 3);
}

/* Beyond the narrow form of arm64's rules, and the probe of a large frame. */
static noinline unsigned long large(unsigned long n)
{
	volatile unsigned long local[1100];

	local[n] = leaf(n);
	return local[n] + leaf(n + 1);
}

/* Many values alive across calls: every register that a callee saves. */
static noinline unsigned long crowded(unsigned long a, unsigned long b, unsigned long c,
				      unsigned long d, unsigned long e, unsigned long f)
{
	unsigned long p = leaf(a), q = leaf(b), r = leaf(c), s = leaf(d), t = leaf(e), u = leaf(f);

	return recursion(p & 1) + p * q + r * s + t * u + (a ^ b ^ c ^ d ^ e ^ f);
}

static noinline unsigned long tail(unsigned long n)
{
	return leaf(n + 5);
}

static unsigned long (*volatile pointers[])(unsigned long) = { leaf, recursion, moving, aligned,
							       tail };

static void handler(int signal)
{
	sink += recursion((unsigned long)signal & 1);
}

unsigned long handled(void)
{
	struct {
		void (*handler)(int);
		unsigned long flags;
		void *restorer;
		unsigned long mask;
	} action = { handler, SA_RESTORER, restorer, 0 };
	unsigned long pid = system_call(NR_GETPID, 0, 0, 0, 0);

	system_call(NR_SIGACTION, SIGUSR1, (unsigned long)&action, 0, 8);
	return system_call(NR_KILL, pid, SIGUSR1, 0, 0) + leaf(1);
}

void replay_main(void)
{
	for (unsigned long i = 0; i < sizeof(pointers) / sizeof(*pointers); i++)
		sink += pointers[i](i & 3);
	sink += crowded(1, 2, 3, 4, 5, 6);
	sink += large(7);
	sink += call_by_hand(aligned, 2);
	sink += handled();
	system_call(NR_EXIT_GROUP, 0, 0, 0, 0);
}
