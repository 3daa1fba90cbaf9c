/*
 * libnl-route's side of the benchmark: prints how many nanoseconds each list of all links, or each batch of events, took.
 *
 *   links list COUNT TIMES
 *   links events IFINDEX EVENTS AT-ONCE
 *
 * COUNT is how many links there are. The link IFINDEX, whose name is a0, is renamed for each event, and events are read when
 * AT-ONCE of them wait. Neither that nor the clock is measured.
 */
#include <errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/socket.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int received;

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

static struct nl_sock *connected(void)
{
	struct nl_sock *socket = nl_socket_alloc();
	int error = socket ? nl_connect(socket, NETLINK_ROUTE) : -NLE_NOMEM;

	if (error)
		fail("nl_connect", error);
	return socket;
}

static void list(struct nl_sock *socket, int count)
{
	struct nl_cache *cache;
	int64_t start = now();
	int error = rtnl_link_alloc_cache(socket, AF_UNSPEC, &cache);

	if (error)
		fail("rtnl_link_alloc_cache", error);
	printf("%lld\n", (long long)(now() - start));
	if (nl_cache_nitems(cache) != count)
		fail("another number of links", -NLE_FAILURE);
	nl_cache_put(cache);
}

static void take(struct nl_object *object, void *data)
{
	(void)data;
	received += !strcmp(nl_object_get_type(object), "route/link");
}

static int parse(struct nl_msg *message, void *data)
{
	int error = nl_msg_parse(message, take, data);

	return error ? error : NL_OK;
}

static void rename_link(struct nl_sock *socket, int ifindex, const char *name)
{
	struct rtnl_link *link = rtnl_link_alloc(), *change = rtnl_link_alloc();
	int error;

	if (!link || !change)
		fail("rtnl_link_alloc", -NLE_NOMEM);
	rtnl_link_set_ifindex(link, ifindex);
	rtnl_link_set_name(change, name);
	error = rtnl_link_change(socket, link, change, 0);
	if (error)
		fail("rtnl_link_change", error);
	rtnl_link_put(link);
	rtnl_link_put(change);
}

static void receive(int ifindex, int events, int at_once)
{
	struct nl_sock *socket = nl_socket_alloc(), *writer = connected();
	int error;

	if (!socket)
		fail("nl_socket_alloc", -NLE_NOMEM);
	nl_socket_disable_seq_check(socket);
	nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, parse, NULL);
	error = nl_connect(socket, NETLINK_ROUTE);
	if (!error)
		error = nl_socket_add_membership(socket, RTNLGRP_LINK);
	if (error)
		fail("nl_connect", error);
	for (int batch = 0; batch < events / at_once; batch++) {
		int64_t start;

		for (int i = 0; i < at_once; i++)
			rename_link(writer, ifindex, i % 2 ? "a0" : "renamed");
		received = 0;
		start = now();
		while (received < at_once) {
			error = nl_recvmsgs_default(socket);
			if (error < 0)
				fail("nl_recvmsgs_default", error);
		}
		printf("%lld\n", (long long)(now() - start));
	}
	nl_socket_free(socket);
	nl_socket_free(writer);
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "list")) {
		struct nl_sock *socket = connected();

		for (int times = atoi(argv[3]); times > 0; times--)
			list(socket, atoi(argv[2]));
		nl_socket_free(socket);
		return 0;
	}
	if (argc == 5 && !strcmp(argv[1], "events")) {
		receive(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
		return 0;
	}
	return 2;
}
