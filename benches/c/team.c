/*
 * The C library's side of the benchmark: does things with one team, and prints for each how many nanoseconds it took.
 *
 *   team TEAM THING…
 *
 *   open            opens a handle, which the things behind it use
 *   refresh         asks for everything again
 *   notify:LINK:N:M renames LINK N times, and handles the notifications after each M of them
 *   set:PORT        leads all 256 hashes to PORT
 *
 * TEAM, LINK and PORT are interface indices. What makes the notifications is not measured, nor is the clock.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <team.h>
#include <time.h>
#include <unistd.h>

static unsigned long calls;
static int64_t clock_cost;

static _Noreturn void fail(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int64_t since(int64_t start)
{
	int64_t spent = now() - start - clock_cost;

	return spent > 0 ? spent : 0;
}

/* What passes between two looks at the clock. */
static void measure_clock(void)
{
	int64_t least = INT64_MAX;

	for (int i = 0; i < 200; i++) {
		int64_t start = now(), spent = now() - start;

		if (spent < least)
			least = spent;
	}
	clock_cost = least;
}

static int changed(struct team_handle *team, void *data, team_change_type_mask_t kinds)
{
	(void)team;
	(void)data;
	(void)kinds;
	calls++;
	return 0;
}

static const struct team_change_handler handler = { .func = changed, .type_mask = TEAM_ANY_CHANGE };

static struct team_handle *open_team(uint32_t ifindex)
{
	struct team_handle *team = team_alloc();
	int error;

	if (!team)
		fail("team_alloc", ENOMEM);
	error = team_init(team, ifindex);
	if (error)
		fail("team_init", error);
	error = team_change_handler_register(team, &handler, NULL);
	if (error)
		fail("team_change_handler_register", error);
	return team;
}

/* Gives a link a name, by one request whose answer is awaited. */
static void rename_link(int fd, uint32_t ifindex, unsigned int number)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
		struct rtattr attribute;
		char name[16];
	} request = {
		.header.nlmsg_len = sizeof(request),
		.header.nlmsg_type = RTM_SETLINK,
		.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
		.link.ifi_index = ifindex,
		.attribute.rta_len = sizeof(request.attribute) + sizeof(request.name),
		.attribute.rta_type = IFLA_IFNAME,
	};
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[256];
	} answer;

	snprintf(request.name, sizeof(request.name), "r%ux%u", ifindex, number % 2);
	if (send(fd, &request, sizeof(request), 0) < 0 || recv(fd, &answer, sizeof(answer), 0) < 0)
		fail("renaming", errno);
	if (answer.error.error)
		fail("renaming", answer.error.error);
}

static bool readable(struct team_handle *team)
{
	struct pollfd fd = { .fd = team_get_event_fd(team), .events = POLLIN };

	return poll(&fd, 1, 0) > 0;
}

static int64_t handle_events(struct team_handle *team)
{
	int64_t spent = 0;

	while (readable(team)) {
		int64_t start = now();
		int error = team_handle_events(team);

		spent += since(start);
		if (error)
			fail("team_handle_events", error);
	}
	return spent;
}

static int64_t notify(struct team_handle *team, uint32_t link, unsigned int count, unsigned int burst)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int64_t spent = 0;

	if (fd < 0)
		fail("socket", errno);
	for (unsigned int number = 1; number <= count; number++) {
		rename_link(fd, link, number - 1);
		if (number % burst == 0)
			spent += handle_events(team);
	}
	if (!calls)
		fail("the handler was not called", EPROTO);
	calls = 0;
	close(fd);
	return spent;
}

static int64_t set_all(struct team_handle *team, uint32_t port)
{
	int64_t start = now();

	for (unsigned int hash = 0; hash < 256; hash++) {
		struct team_option *option = team_get_option(team, "na", "lb_tx_hash_to_port_mapping", hash);
		int error = option ? team_set_option_value_u32(team, option, port) : ENOENT;

		if (error)
			fail("team_set_option_value_u32", error);
	}
	return since(start);
}

static int64_t refresh(struct team_handle *team)
{
	int64_t start = now();

	if (team_refresh(team))
		fail("team_refresh", EPROTO);
	return since(start);
}

static int64_t do_thing(struct team_handle **team, uint32_t ifindex, const char *thing)
{
	unsigned int link, count, burst;
	int64_t start;

	if (!strcmp(thing, "open")) {
		if (*team)
			team_free(*team);
		start = now();
		*team = open_team(ifindex);
		return since(start);
	}
	if (!*team)
		fail("open comes first", EINVAL);
	if (!strcmp(thing, "refresh"))
		return refresh(*team);
	if (sscanf(thing, "notify:%u:%u:%u", &link, &count, &burst) == 3)
		return notify(*team, link, count, burst);
	if (sscanf(thing, "set:%u", &link) == 1)
		return set_all(*team, link);
	fail(thing, EINVAL);
}

int main(int argc, char **argv)
{
	struct team_handle *team = NULL;

	measure_clock();
	for (int i = 2; i < argc; i++)
		printf("%lld\n", (long long)do_thing(&team, strtoul(argv[1], NULL, 10), argv[i]));
	if (team)
		team_free(team);
	return 0;
}
