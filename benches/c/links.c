/*
 * libnl-route's side of the benchmark: lists all links, and prints the nanoseconds of each listing.
 *
 *   links COUNT TIMES
 *
 * COUNT is the number of links, TIMES that of the listings.
 */
#include <errno.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static _Noreturn void fail(const char *what, int error)
{
	nl_perror(error, what);
	exit(1);
}

int main(int argc, char **argv)
{
	int count = argc > 2 ? atoi(argv[1]) : 0, times = argc > 2 ? atoi(argv[2]) : 0;
	struct nl_sock *socket = nl_socket_alloc();
	int error = socket ? nl_connect(socket, NETLINK_ROUTE) : -NLE_NOMEM;

	if (error)
		fail("nl_connect", error);
	while (times--) {
		struct nl_cache *cache;
		int64_t start = now();

		error = rtnl_link_alloc_cache(socket, AF_UNSPEC, &cache);
		if (error)
			fail("rtnl_link_alloc_cache", error);
		printf("%lld\n", (long long)(now() - start));
		if (nl_cache_nitems(cache) != count)
			fail("unexpected number of links", -NLE_FAILURE);
		nl_cache_put(cache);
	}
	nl_socket_free(socket);
	return 0;
}
