/* Calls every function of team.h and prints a line "CASE: RESULT" for each thing that callers rely on. Each group of cases
 * runs in a process and a network namespace of its own, so that a crash is a result too. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <team.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static const char *group;

#define SAY(name, ...) (printf("%s.%s: ", group, name), printf(__VA_ARGS__), putchar('\n'), fflush(stdout))
#define NUMBER(name, value) SAY(name, "%ld", (long)(value))

static void sh(const char *command)
{
	if (system(command))
		SAY("scene", "failed: %s", command);
}

static struct team_handle *silent(void)
{
	struct team_handle *th = team_alloc();
	team_set_log_priority(th, 0);
	return th;
}

/* Handles events until there have been none for a while. */
static void settle(struct team_handle *th)
{
	struct pollfd fd = { .fd = team_get_event_fd(th), .events = POLLIN };

	while (poll(&fd, 1, 300) > 0)
		team_handle_events(th);
}

/* A handle on team0, in a mode, with the ports v0 (10), which has carrier, and v1 (11), which has none. */
static struct team_handle *scene(const char *mode)
{
	struct team_handle *th = silent();

	sh("ip link add v0 index 10 address 02:00:00:00:01:00 type veth peer name p0");
	sh("ip link add v1 index 11 address 02:00:00:00:01:01 type veth peer name p1");
	sh("ip link set p0 up");
	sh("ip link add team0 index 20 address 02:00:00:00:00:10 type team");
	team_init(th, 20);
	if (mode)
		team_set_mode_name(th, mode);
	settle(th);
	team_port_add(th, 10);
	settle(th);
	team_port_add(th, 11);
	settle(th);
	sh("ip link set team0 up");
	settle(th);
	team_refresh(th);
	return th;
}

static struct team_port *port_of(struct team_handle *th, uint32_t ifindex)
{
	struct team_port *port;

	team_for_each_port(port, th)
		if (team_get_port_ifindex(port) == ifindex)
			return port;
	return NULL;
}

static struct team_ifinfo *ifinfo_of(struct team_handle *th, uint32_t ifindex)
{
	struct team_ifinfo *ifinfo;

	team_for_each_ifinfo(ifinfo, th)
		if (team_get_ifinfo_ifindex(ifinfo) == ifindex)
			return ifinfo;
	return NULL;
}

/* ---- handles ---- */

static int failing_init(uint32_t ifindex)
{
	struct team_handle *th = silent();
	int err = team_init(th, ifindex);

	team_free(th);
	return err;
}

static void life(void)
{
	struct team_handle *th = team_alloc();
	struct team_handle *other;

	NUMBER("log priority", team_get_log_priority(th));
	team_set_log_priority(th, 7);
	NUMBER("log priority set", team_get_log_priority(th));
	team_set_log_priority(th, 0);
	NUMBER("destroy before init", team_destroy(th));
	NUMBER("create without a name", team_create(th, NULL));
	NUMBER("its index", team_ifname2ifindex(th, "team0") != 0);
	NUMBER("create a second", team_create(th, "team7"));
	NUMBER("create it again", team_create(th, "team7"));
	NUMBER("create of 15 bytes", team_create(th, "123456789012345"));
	NUMBER("create of 16 bytes", team_create(th, "1234567890123456"));
	NUMBER("create with a slash", team_create(th, "a/b"));
	NUMBER("create with a blank", team_create(th, "a b"));
	NUMBER("create .", team_create(th, "."));
	NUMBER("create with an empty name", team_create(th, ""));
	NUMBER("recreate of a team", team_recreate(th, "team7"));
	NUMBER("recreate of a new one", team_recreate(th, "team8"));
	sh("ip link add d0 type dummy");
	NUMBER("recreate of a dummy", team_recreate(th, "d0"));
	sh("ip link add d1 index 30 type dummy");
	NUMBER("init of 0", failing_init(0));
	NUMBER("init of a dummy", failing_init(30));
	NUMBER("init of no link", failing_init(9999));
	NUMBER("init", team_init(th, team_ifname2ifindex(th, "team7")));
	NUMBER("event descriptor is open", fcntl(team_get_event_fd(th), F_GETFD) >= 0);
	NUMBER("refresh", team_refresh(th));
	NUMBER("own ifinfo", team_get_ifinfo_ifindex(team_get_ifinfo(th)) == team_ifname2ifindex(th, "team7"));
	other = silent();
	NUMBER("second handle", team_init(other, team_ifname2ifindex(th, "team7")));
	team_free(other);
	NUMBER("destroy", team_destroy(th));
	settle(th);
	NUMBER("gone", team_ifname2ifindex(th, "team7"));
	NUMBER("own ifinfo is removed", team_is_ifinfo_removed(team_get_ifinfo(th)));
	NUMBER("destroy again", team_destroy(th));
	NUMBER("set mode after the end", team_set_mode_name(th, "roundrobin"));
	NUMBER("refresh after the end", team_refresh(th));
	team_free(th);
}

static void free_without_init(void)
{
	struct team_handle *th = team_alloc();

	team_free(th);
	NUMBER("standard input is open", fcntl(0, F_GETFD) >= 0);
}

/* ---- log ---- */

static char logged[4096];

static void log_fn(struct team_handle *th, int priority, const char *file, int line, const char *fn, const char *format,
		   va_list args)
{
	char text[512];

	(void)th;
	vsnprintf(text, sizeof(text), format, args);
	snprintf(logged, sizeof(logged), "priority %d, file %d, line %d, function %d, text %d", priority, file != NULL, line > 0,
		 fn != NULL, text[0] != 0);
}

static void logging(void)
{
	static const char *values[] = { "7", "err", "errors", "info", "debug", "debugger", "", "junk", "-1", "99", "0", "6x", " 4" };
	struct team_handle *th;
	char name[64];

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		setenv("TEAM_LOG", values[i], 1);
		th = team_alloc();
		snprintf(name, sizeof(name), "TEAM_LOG=%s", values[i]);
		NUMBER(name, team_get_log_priority(th));
		team_free(th);
	}
	unsetenv("TEAM_LOG");
	sh("ip link add team0 index 20 type team");
	th = team_alloc();
	team_set_log_fn(th, log_fn);
	team_set_log_priority(th, 7);
	/* An error that is logged with the priority of an error. */
	team_init(th, 20);
	logged[0] = 0;
	NUMBER("command of a log", team_set_option_value_from_string(th, team_get_option(th, "n!", "no%such%n"), "1"));
	team_set_log_priority(th, -1);
	logged[0] = 0;
	team_set_mode_name(th, "roundrobin");
	SAY("silenced", "%s", logged);
	team_free(th);
}

/* ---- handlers ---- */

static char calls[8192];

struct listener {
	struct team_change_handler handler;
	const char *name;
	int answer;
	struct team_handle *unregister_in;
	bool commands;
};

static int called(struct team_handle *th, void *priv, team_change_type_mask_t mask)
{
	struct listener *listener = priv;
	size_t used = strlen(calls);

	snprintf(calls + used, sizeof(calls) - used, "%s%x ", listener->name, mask);
	if (listener->commands) {
		listener->commands = false;
		used = strlen(calls);
		snprintf(calls + used, sizeof(calls) - used, "[%d]", team_set_notify_peers_count(th, 9));
	}
	if (listener->unregister_in)
		team_change_handler_unregister(th, &listener->handler, listener);
	return listener->answer;
}

static struct listener listener(const char *name, team_change_type_mask_t mask)
{
	struct listener made = { .handler = { called, mask }, .name = name };
	return made;
}

#define CALLS(name, action)                              \
	do {                                             \
		calls[0] = 0;                            \
		long _result = (action);                 \
		SAY(name, "%ld %s", _result, calls);     \
	} while (0)

static void handlers(void)
{
	struct listener any = listener("any", TEAM_ANY_CHANGE);
	struct listener port = listener("port", TEAM_PORT_CHANGE);
	struct listener option = listener("option", TEAM_OPTION_CHANGE);
	struct listener ifinfo = listener("ifinfo", TEAM_IFINFO_CHANGE);
	struct listener refresh = listener("refresh", TEAM_IFINFO_REFRESH);
	struct listener both = listener("both", TEAM_IFINFO_REFRESH | TEAM_PORT_CHANGE);
	struct team_handle *th = silent();

	sh("ip link add d0 index 30 type dummy");
	sh("ip link add team0 index 20 type team");
	CALLS("register", team_change_handler_register(th, &any.handler, &any));
	CALLS("register again", team_change_handler_register(th, &any.handler, &any));
	CALLS("register with another priv", team_change_handler_register(th, &any.handler, &port));
	CALLS("unregister that", (team_change_handler_unregister(th, &any.handler, &port), 0));
	CALLS("unregister an unknown one", (team_change_handler_unregister(th, &port.handler, &port), 0));
	CALLS("init", team_init(th, 20));
	CALLS("refresh", team_refresh(th));
	team_change_handler_register(th, &port.handler, &port);
	team_change_handler_register(th, &option.handler, &option);
	team_change_handler_register_head(th, &ifinfo.handler, &ifinfo);
	team_change_handler_register(th, &refresh.handler, &refresh);
	team_change_handler_register(th, &both.handler, &both);
	CALLS("head twice", team_change_handler_register_head(th, &ifinfo.handler, &ifinfo));
	CALLS("order", team_refresh(th));
	any.answer = -77;
	CALLS("abort", team_refresh(th));
	any.answer = 5;
	CALLS("abort by a positive number", team_refresh(th));
	any.answer = 0;
	any.handler.type_mask = TEAM_OPTION_CHANGE;
	CALLS("mask changed later", team_refresh(th));
	any.handler.type_mask = TEAM_ANY_CHANGE;
	any.commands = true;
	CALLS("command inside", team_refresh(th));
	any.unregister_in = th;
	CALLS("unregister inside", team_refresh(th));
	any.unregister_in = NULL;
	CALLS("after that", team_refresh(th));
	settle(th);
	CALLS("set mode", team_set_mode_name(th, "roundrobin"));
	settle(th);
	CALLS("set an option", team_set_mcast_rejoin_count(th, 3));
	settle(th);
	team_change_handler_unregister(th, &port.handler, &port);
	team_change_handler_unregister(th, &option.handler, &option);
	team_change_handler_unregister(th, &ifinfo.handler, &ifinfo);
	team_change_handler_unregister(th, &refresh.handler, &refresh);
	team_change_handler_unregister(th, &both.handler, &both);
	CALLS("none left", team_refresh(th));
	team_free(th);
}

static int failing(struct team_handle *th, void *priv, team_change_type_mask_t mask)
{
	(void)th, (void)priv, (void)mask;
	return -55;
}

static void abort_applies(void)
{
	static const struct team_change_handler handler = { failing, TEAM_ANY_CHANGE };
	struct team_handle *th = scene("activebackup");
	struct pollfd fd = { .fd = team_get_event_fd(th), .events = POLLIN };
	int answer = 0;

	settle(th);
	team_change_handler_register(th, &handler, NULL);
	sh("ip link set p1 up");
	while (poll(&fd, 1, 300) > 0) {
		int err = team_handle_events(th);

		answer = err ? err : answer;
	}
	NUMBER("answer", answer);
	NUMBER("state", team_is_port_link_up(port_of(th, 11)));
	team_free(th);
}

/* ---- events ---- */

static void events(void)
{
	struct team_handle *th = scene("activebackup");
	const struct team_eventfd *eventfd;
	struct pollfd fd = { .fd = team_get_event_fd(th), .events = POLLIN };
	int count = 0;

	settle(th);
	team_for_each_event_fd(eventfd, th) {
		count++;
		NUMBER("eventfd is the descriptor", team_get_eventfd_fd(th, eventfd) == fd.fd);
	}
	NUMBER("eventfds", count);
	sh("ip link set p1 up");
	NUMBER("readable", poll(&fd, 1, 5000));
	NUMBER("eventfd handler", team_call_eventfd_handler(th, team_get_next_eventfd(th, NULL)));
	settle(th);
	NUMBER("known", team_is_port_link_up(port_of(th, 11)));
	sh("ip link set p1 down");
	NUMBER("readable again", poll(&fd, 1, 5000));
	NUMBER("check", team_check_events(th));
	settle(th);
	NUMBER("known again", team_is_port_link_up(port_of(th, 11)));
	/* A command that takes the event which poll announced. */
	sh("ip link set p1 up");
	poll(&fd, 1, 5000);
	alarm(5);
	NUMBER("command between", team_set_notify_peers_count(th, 3));
	team_free(th);
}

static void check_without_events(void)
{
	struct team_handle *th = scene("activebackup");

	settle(th);
	alarm(2);
	NUMBER("answer", team_check_events(th));
	team_free(th);
}

/* ---- options ---- */

static void modes(void)
{
	static const char *names[] = { "roundrobin", "broadcast", "random", "activebackup", "loadbalance" };
	struct team_handle *th = silent();
	char *name = NULL;
	char text[64];

	sh("ip link add team0 index 20 type team");
	team_init(th, 20);
	NUMBER("get before a mode", team_get_mode_name(th, &name));
	SAY("name before a mode", "%s", name ? name : "(null)");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		NUMBER(names[i], team_set_mode_name(th, names[i]));
		snprintf(text, sizeof(text), "get %s", names[i]);
		NUMBER(text, team_get_mode_name(th, &name));
		snprintf(text, sizeof(text), "name of %s", names[i]);
		SAY(text, "%s", name);
		settle(th);
	}
	NUMBER("unknown", team_set_mode_name(th, "nosuch"));
	NUMBER("empty", team_set_mode_name(th, ""));
	team_free(th);
}

static void globals(void)
{
	struct team_handle *th = scene("activebackup");
	uint32_t value = 77;
	bool flag = false;
	int32_t number = 77;

	NUMBER("set notify_peers_count", team_set_notify_peers_count(th, 4000000000u));
	NUMBER("get notify_peers_count", team_get_notify_peers_count(th, &value));
	NUMBER("notify_peers_count", value);
	NUMBER("set notify_peers_interval", team_set_notify_peers_interval(th, 200));
	NUMBER("get notify_peers_interval", team_get_notify_peers_interval(th, &value));
	NUMBER("notify_peers_interval", value);
	NUMBER("set mcast_rejoin_count", team_set_mcast_rejoin_count(th, 5));
	NUMBER("get mcast_rejoin_count", team_get_mcast_rejoin_count(th, &value));
	NUMBER("mcast_rejoin_count", value);
	NUMBER("set mcast_rejoin_interval", team_set_mcast_rejoin_interval(th, 6));
	NUMBER("get mcast_rejoin_interval", team_get_mcast_rejoin_interval(th, &value));
	NUMBER("mcast_rejoin_interval", value);
	NUMBER("get active port first", team_get_active_port(th, &value));
	NUMBER("set active port", team_set_active_port(th, 11));
	NUMBER("get active port", team_get_active_port(th, &value));
	NUMBER("active port", value);
	NUMBER("set active port to no port", team_set_active_port(th, 9999));
	NUMBER("set active port to 0", team_set_active_port(th, 0));
	NUMBER("set enabled", team_set_port_enabled(th, 10, true));
	NUMBER("get enabled", team_get_port_enabled(th, 10, &flag));
	NUMBER("enabled", flag);
	NUMBER("get enabled of no port", team_get_port_enabled(th, 9999, &flag));
	NUMBER("set enabled of no port", team_set_port_enabled(th, 9999, true));
	NUMBER("set user_linkup_enabled", team_set_port_user_linkup_enabled(th, 10, true));
	NUMBER("set user_linkup_enabled of no port", team_set_port_user_linkup_enabled(th, 9999, true));
	NUMBER("set user_linkup", team_set_port_user_linkup(th, 10, true));
	NUMBER("get user_linkup", team_get_port_user_linkup(th, 10, &flag));
	NUMBER("user_linkup", flag);
	NUMBER("get user_linkup of no port", team_get_port_user_linkup(th, 9999, &flag));
	NUMBER("set queue_id", team_set_port_queue_id(th, 10, 2));
	NUMBER("set queue_id too high", team_set_port_queue_id(th, 10, 4000));
	NUMBER("set priority", team_set_port_priority(th, 10, -5));
	NUMBER("get priority", team_get_port_priority(th, 10, &number));
	NUMBER("priority", number);
	NUMBER("get priority of no port", team_get_port_priority(th, 9999, &number));
	NUMBER("bpf_hash_func in activebackup", team_set_bpf_hash_func(th, NULL));
	team_free(th);
}

static void hash_func(void)
{
	struct team_handle *th = scene("loadbalance");
	struct sock_filter program[] = { { 6, 0, 0, 0xff }, { 6, 1, 2, 3 } };
	struct sock_fprog fprog = { .len = 2, .filter = program };
	struct sock_fprog got = { 0, NULL };
	uint32_t value;

	NUMBER("get before", team_get_bpf_hash_func(th, &got));
	NUMBER("length before", got.len);
	NUMBER("set a wrong one", team_set_bpf_hash_func(th, &fprog));
	fprog.len = 1;
	NUMBER("set", team_set_bpf_hash_func(th, &fprog));
	NUMBER("get", team_get_bpf_hash_func(th, &got));
	NUMBER("length", got.len);
	NUMBER("instruction", got.filter ? got.filter[0].k : 0);
	NUMBER("get active port in loadbalance", team_get_active_port(th, &value));
	team_free(th);
}

static void option_line(struct team_handle *th, struct team_option *option, const char *name)
{
	char text[256] = "";

	if (!option) {
		SAY(name, "none");
		return;
	}
	SAY(name, "%s port %u per port %d array %d index %u type %d initialized %d", team_get_option_name(option),
	    team_get_option_port_ifindex(option), team_is_option_per_port(option), team_is_option_array(option),
	    team_get_option_array_index(option), team_is_option_initialized(option) ? (int)team_get_option_type(option) : -1,
	    team_is_option_initialized(option));
	if (team_is_option_initialized(option) && !team_option_str(th, option, text, sizeof(text)))
		printf("%s.%s text:%s\n", group, name, text);
}

static void lookups(void)
{
	struct team_handle *th = scene("loadbalance");
	struct team_option *option, *again;
	char text[64];
	char *list = calloc(1, 1 << 20);
	int count = 0;

	option_line(th, team_get_option(th, "n", "mode"), "mode");
	option_line(th, team_get_option(th, "np", "enabled", 10), "enabled");
	option_line(th, team_get_option(th, "np", "priority", 11), "priority");
	option_line(th, team_get_option(th, "pn", 10, "queue_id"), "port first");
	option_line(th, team_get_option(th, "na", "lb_tx_hash_to_port_mapping", 7), "element");
	option_line(th, team_get_option(th, "n", "enabled"), "port option without a port");
	option_line(th, team_get_option(th, "np", "mode", 10), "global option of a port");
	option_line(th, team_get_option(th, "np", "enabled", 9999), "option of no port");
	option_line(th, team_get_option(th, "n", "lb_tx_hash_to_port_mapping"), "array without an index");
	option_line(th, team_get_option(th, "na", "lb_tx_hash_to_port_mapping", 256), "element beyond");
	option_line(th, team_get_option(th, "n", "nosuch"), "unknown");
	option_line(th, team_get_option(th, "", ""), "empty format");
	option_line(th, team_get_option(th, "p", 10), "without a name");
	option_line(th, team_get_option(th, "!"), "temporary without a name");
	option = team_get_option(th, "n!", "temporary");
	option_line(th, option, "temporary");
	again = team_get_option(th, "n", "temporary");
	NUMBER("temporary is found again", again == option);
	option_line(th, team_get_option(th, "np!", "temporary", 10), "temporary of a port");
	option_line(th, team_get_option(th, "npa!", "temporary", 10, 3), "temporary with all");
	NUMBER("known with ! is the known one", team_get_option(th, "n!", "mode") == team_get_option(th, "n", "mode"));
	team_for_each_option(option, th) {
		if (strstr(team_get_option_name(option), "stats"))
			continue;
		count += team_is_option_initialized(option);
		if (team_is_option_array(option) && team_get_option_array_index(option) > 2)
			continue;
		snprintf(text, sizeof(text), "%s/%u/%u ", team_get_option_name(option), team_get_option_port_ifindex(option),
			 team_get_option_array_index(option));
		strcat(list, text);
	}
	SAY("order of options", "%s", list);
	NUMBER("options", count);
	free(list);
	team_free(th);
}

static void values(void)
{
	static const struct {
		const char *name;
		uint32_t port;
		const char *text;
	} settings[] = {
		{ "notify_peers_count", 0, "5" }, { "notify_peers_count", 0, "" }, { "notify_peers_count", 0, "-1" },
		{ "notify_peers_count", 0, "4294967295" }, { "notify_peers_count", 0, "4294967296" },
		{ "notify_peers_count", 0, "99999999999999999999" }, { "notify_peers_count", 0, "5x" },
		{ "notify_peers_count", 0, " 5" }, { "notify_peers_count", 0, "+5" }, { "notify_peers_count", 0, "0x10" },
		{ "notify_peers_count", 0, "010" }, { "mode", 0, "roundrobin" }, { "priority", 10, "-3" }, { "priority", 10, "" },
		{ "priority", 10, "2147483647" }, { "priority", 10, "2147483648" }, { "priority", 10, "-2147483649" },
		{ "priority", 10, "7x" }, { "enabled", 10, "true" }, { "enabled", 10, "false" }, { "enabled", 10, "yes" },
		{ "enabled", 10, "TRUE" }, { "enabled", 10, "" }, { "bpf_hash_func", 0, "" },
		{ "bpf_hash_func", 0, "\\06\\00\\00\\00\\ff\\00\\00\\00" }, { "bpf_hash_func", 0, "\\06\\0" },
		{ "bpf_hash_func", 0, "0600" }, { "bpf_hash_func", 0, "\\xx" }, { "lb_tx_method", 0, "hash" },
		{ "lb_tx_method", 0, "nosuch" }, { "lb_tx_method", 0, "" }, { "queue_id", 10, "1" }, { "queue_id", 10, "99" },
	};
	struct team_handle *th = scene("loadbalance");
	struct team_option *option;
	char name[128], text[256];

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		option = settings[i].port ? team_get_option(th, "np", settings[i].name, settings[i].port) :
					    team_get_option(th, "n", settings[i].name);
		snprintf(name, sizeof(name), "%s from \"%s\"", settings[i].name, settings[i].text);
		NUMBER(name, team_set_option_value_from_string(th, option, settings[i].text));
		option = settings[i].port ? team_get_option(th, "np", settings[i].name, settings[i].port) :
					    team_get_option(th, "n", settings[i].name);
		strcat(name, " value");
		memset(text, 0, sizeof(text));
		if (team_get_option_value_len(option)) {
			bool cut = team_option_value_str(option, text, sizeof(text));
			SAY(name, "%d %s", cut, text);
		}
	}
	option = team_get_option(th, "n", "notify_peers_count");
	NUMBER("u32 set", team_set_option_value_u32(th, option, 12));
	NUMBER("u32", team_get_option_value_u32(option));
	NUMBER("u32 changed locally", team_is_option_changed_locally(option));
	settle(th);
	option = team_get_option(th, "n", "notify_peers_count");
	NUMBER("u32 no longer changed locally", team_is_option_changed_locally(option));
	NUMBER("u32 as s32", team_set_option_value_s32(th, option, 12));
	NUMBER("u32 as a string", team_set_option_value_string(th, option, "12"));
	NUMBER("u32 as bool", team_set_option_value_bool(th, option, true));
	NUMBER("u32 as binary", team_set_option_value_binary(th, option, "abcd", 4));
	NUMBER("u32 length", team_get_option_value_len(option));
	option = team_get_option(th, "np", "priority", 10);
	NUMBER("s32 set", team_set_option_value_s32(th, option, -12));
	NUMBER("s32", team_get_option_value_s32(option));
	NUMBER("s32 length", team_get_option_value_len(option));
	option = team_get_option(th, "np", "enabled", 10);
	NUMBER("bool set", team_set_option_value_bool(th, option, true));
	NUMBER("bool", team_get_option_value_bool(option));
	option = team_get_option(th, "n", "mode");
	SAY("string", "%s", team_get_option_value_string(option));
	NUMBER("string length", team_get_option_value_len(option));
	option = team_get_option(th, "n", "lb_tx_method");
	NUMBER("string set", team_set_option_value_string(th, option, "hash_to_port_mapping"));
	SAY("string after it", "%s", team_get_option_value_string(option));
	option = team_get_option(th, "n", "bpf_hash_func");
	NUMBER("binary set", team_set_option_value_binary(th, option, "\x06\0\0\0\1\0\0\0", 8));
	NUMBER("binary", memcmp(team_get_option_value_binary(option), "\x06\0\0\0\1\0\0\0", 8));
	NUMBER("binary length", team_get_option_value_len(option));
	NUMBER("temporary set", team_set_option_value_u32(th, team_get_option(th, "n!", "mcast_rejoin_count"), 4));
	NUMBER("unknown set", team_set_option_value_u32(th, team_get_option(th, "n!", "nosuch"), 4));
	NUMBER("unknown of a port set", team_set_option_value_u32(th, team_get_option(th, "np!", "nosuch", 10), 4));
	team_free(th);
}

/* ---- ports, links, texts ---- */

static void ports(void)
{
	struct team_handle *th = scene("activebackup");
	struct team_port *port, *before;
	struct team_ifinfo *ifinfo;
	struct team_option *option;
	char name[32], list[256] = "";

	settle(th);
	team_for_each_port(port, th) {
		snprintf(name, sizeof(name), "%u ", team_get_port_ifindex(port));
		strcat(list, name);
	}
	SAY("order of ports", "%s", list);
	list[0] = 0;
	team_for_each_ifinfo(ifinfo, th) {
		snprintf(name, sizeof(name), "%u ", team_get_ifinfo_ifindex(ifinfo));
		strcat(list, name);
	}
	SAY("order of ifinfos", "%s", list);
	port = port_of(th, 10);
	NUMBER("speed up", team_get_port_speed(port));
	NUMBER("duplex up", team_get_port_duplex(port));
	NUMBER("up", team_is_port_link_up(port));
	NUMBER("removed", team_is_port_removed(port));
	NUMBER("present", team_is_port_present(th, port));
	NUMBER("ifinfo", team_get_ifinfo_ifindex(team_get_port_ifinfo(port)));
	NUMBER("port of ifinfo", team_get_ifinfo_port(team_get_port_ifinfo(port)) == port);
	NUMBER("port of the team", team_get_ifinfo_port(team_get_ifinfo(th)) != NULL);
	port = port_of(th, 11);
	NUMBER("speed down", team_get_port_speed(port));
	NUMBER("duplex down", team_get_port_duplex(port));
	NUMBER("down", team_is_port_link_up(port));
	option = team_get_option(th, "np", "enabled", 10);
	ifinfo = team_get_port_ifinfo(port);
	sh("ip link set p1 up");
	settle(th);
	NUMBER("port pointer is stable", port == port_of(th, 11));
	NUMBER("option pointer is stable", option == team_get_option(th, "np", "enabled", 10));
	NUMBER("ifinfo pointer is stable", ifinfo == ifinfo_of(th, 11));
	NUMBER("port changed", team_is_port_changed(port));
	NUMBER("other port changed", team_is_port_changed(port_of(th, 10)));
	NUMBER("remove", team_port_remove(th, 11));
	settle(th);
	before = port_of(th, 11);
	NUMBER("removed port stays", before != NULL);
	if (before) {
		NUMBER("it is removed", team_is_port_removed(before));
		NUMBER("it is present", team_is_port_present(th, before));
		NUMBER("its ifinfo", team_get_port_ifinfo(before) != NULL);
	}
	sh("ip link set p0 down");
	settle(th);
	NUMBER("removed port after the next message", port_of(th, 11) != NULL);
	NUMBER("its options", team_get_option(th, "np", "enabled", 11) != NULL);
	team_free(th);
}

static void text_of_port(struct team_handle *th, uint32_t ifindex, const char *name)
{
	struct team_port *port = port_of(th, ifindex);
	char text[128] = "";

	if (port)
		SAY(name, "%d %s", team_port_str(port, text, sizeof(text)), text);
	else
		SAY(name, "none");
}

static void texts(void)
{
	struct team_handle *th = scene("loadbalance");
	char text[512], name[64];
	size_t sizes[] = { 1, 2, 8, 20, 30, 40, 64, 512 };

	settle(th);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		bool cut;

		memset(text, 0, sizeof(text));
		cut = team_port_str(port_of(th, 10), text, sizes[i]);
		snprintf(name, sizeof(name), "port in %zu", sizes[i]);
		SAY(name, "%d \"%s\"", cut, text);
		memset(text, 0, sizeof(text));
		cut = team_ifinfo_str(team_get_ifinfo(th), text, sizes[i]);
		snprintf(name, sizeof(name), "ifinfo in %zu", sizes[i]);
		SAY(name, "%d \"%s\"", cut, text);
		memset(text, 0, sizeof(text));
		cut = team_option_str(th, team_get_option(th, "np", "enabled", 10), text, sizes[i]);
		snprintf(name, sizeof(name), "option in %zu", sizes[i]);
		SAY(name, "%d \"%s\"", cut, text);
		memset(text, 0, sizeof(text));
		cut = team_option_value_str(team_get_option(th, "n", "mode"), text, sizes[i]);
		snprintf(name, sizeof(name), "value in %zu", sizes[i]);
		SAY(name, "%d \"%s\"", cut, text);
	}
	text_of_port(th, 11, "port without carrier");
	team_port_remove(th, 11);
	settle(th);
	text_of_port(th, 11, "port removed");
	sh("ip link del v0");
	settle(th);
	text_of_port(th, 10, "port deleted");
	team_free(th);
}

static void hex(const char *name, const char *bytes, size_t length)
{
	char text[256] = "";

	for (size_t i = 0; i < length && i < 64; i++)
		sprintf(text + 2 * i, "%02x", (unsigned char)bytes[i]);
	SAY(name, "%s", text);
}

/* The flags of each link that any call has seen. */
static unsigned flags_seen[64];

static int flags_of_links(struct team_handle *th, void *priv, team_change_type_mask_t mask)
{
	struct team_ifinfo *ifinfo;

	(void)priv, (void)mask;
	team_for_each_ifinfo(ifinfo, th)
		flags_seen[team_get_ifinfo_ifindex(ifinfo) % 64] |=
			team_is_ifinfo_changed(ifinfo) | team_is_ifinfo_ifname_changed(ifinfo) << 1 |
			team_is_ifinfo_hwaddr_changed(ifinfo) << 2 | team_is_ifinfo_hwaddr_len_changed(ifinfo) << 3 |
			team_is_ifinfo_master_ifindex_changed(ifinfo) << 4 | team_is_ifinfo_admin_state_changed(ifinfo) << 5 |
			team_is_ifinfo_phys_port_id_changed(ifinfo) << 6 | team_is_ifinfo_phys_port_id_len_changed(ifinfo) << 7;
	return 0;
}

static void flags(struct team_handle *th, const char *name, const char *command)
{
	char text[512] = "";

	memset(flags_seen, 0, sizeof(flags_seen));
	sh(command);
	settle(th);
	for (int i = 0; i < 64; i++)
		if (flags_seen[i])
			sprintf(text + strlen(text), "%d:%02x ", i, flags_seen[i]);
	SAY(name, "%s", text);
}

static void links(void)
{
	static const struct team_change_handler handler = { flags_of_links, TEAM_IFINFO_CHANGE };
	struct team_handle *th = scene("activebackup");
	struct team_ifinfo *ifinfo;
	char *address, *name;

	settle(th);
	team_change_handler_register(th, &handler, NULL);
	ifinfo = ifinfo_of(th, 10);
	address = team_get_ifinfo_hwaddr(ifinfo);
	name = team_get_ifinfo_ifname(ifinfo);
	SAY("name", "%s", name);
	hex("address", address, team_get_ifinfo_hwaddr_len(ifinfo));
	hex("original address", team_get_ifinfo_orig_hwaddr(ifinfo), team_get_ifinfo_orig_hwaddr_len(ifinfo));
	NUMBER("master", team_get_ifinfo_master_ifindex(ifinfo));
	NUMBER("admin state", team_get_ifinfo_admin_state(ifinfo));
	NUMBER("port id length", team_get_ifinfo_phys_port_id_len(ifinfo));
	NUMBER("port id", team_get_ifinfo_phys_port_id(ifinfo) != NULL);
	NUMBER("removed", team_is_ifinfo_removed(ifinfo));
	flags(th, "address changes", "ip link set v0 address 02:00:00:00:01:77");
	hex("new address in place", address, 6);
	flags(th, "team's address changes", "ip link set team0 address 02:00:00:00:00:77");
	flags(th, "admin state changes", "ip link set v0 down");
	flags(th, "name changes", "ip link set v0 name w0");
	SAY("new name in place", "%s", name);
	flags(th, "mtu changes", "ip link set team0 mtu 1400");
	flags(th, "carrier changes", "ip link set p1 up");
	flags(th, "foreign link", "ip link add d9 type dummy");
	flags(th, "master changes", "ip link set w0 nomaster");
	NUMBER("ifinfo is listed", ifinfo_of(th, 10) != NULL);
	flags(th, "port comes back", "ip link set w0 master team0");
	/* teamd does this after team_hwaddr_set. */
	ifinfo = ifinfo_of(th, 11);
	memcpy(team_get_ifinfo_hwaddr(ifinfo), "\2\0\0\0\1\x88", 6);
	flags(th, "address is what the caller wrote", "ip link set v1 address 02:00:00:00:01:88");
	flags(th, "address is another", "ip link set v1 address 02:00:00:00:01:89");
	flags(th, "team deleted", "ip link del team0");
	NUMBER("team is removed", team_is_ifinfo_removed(team_get_ifinfo(th)));
	SAY("team's name", "%s", team_get_ifinfo_ifname(team_get_ifinfo(th)));
	team_free(th);
}

/* ---- rtnetlink ---- */

static void rtnl(void)
{
	struct team_handle *th = scene("activebackup");
	char name[64] = "", address[64] = "";
	bool up = false;

	sh("ip link add d0 index 30 address 02:00:00:00:03:00 type dummy");
	sh("ip link add other index 21 type team");
	sh("ip link add x0 index 31 master other type dummy");
	NUMBER("index of v0", team_ifname2ifindex(th, "v0"));
	NUMBER("index of none", team_ifname2ifindex(th, "nosuch"));
	SAY("name of 10", "%s", team_ifindex2ifname(th, 10, name, sizeof(name)) ? name : "none");
	SAY("name of none", "%s", team_ifindex2ifname(th, 9999, name, sizeof(name)) ? name : "none");
	NUMBER("add 0", team_port_add(th, 0));
	NUMBER("add none", team_port_add(th, 9999));
	NUMBER("add lo", team_port_add(th, 1));
	NUMBER("add the team", team_port_add(th, 20));
	NUMBER("add a port", team_port_add(th, 10));
	NUMBER("add another team's port", team_port_add(th, 31));
	NUMBER("add a link that is up", (system("ip link set d0 up"), team_port_add(th, 30)));
	sh("ip link set d0 down");
	NUMBER("add", team_port_add(th, 30));
	NUMBER("is our port", team_is_our_port(th, 30));
	NUMBER("is lo our port", team_is_our_port(th, 1));
	NUMBER("is none our port", team_is_our_port(th, 9999));
	NUMBER("is another team's our port", team_is_our_port(th, 31));
	NUMBER("remove", team_port_remove(th, 30));
	NUMBER("remove it again", team_port_remove(th, 30));
	NUMBER("remove none", team_port_remove(th, 9999));
	NUMBER("remove 0", team_port_remove(th, 0));
	NUMBER("is no longer our port", team_is_our_port(th, 30));
	NUMBER("carrier off", team_carrier_set(th, false));
	NUMBER("get carrier off", team_carrier_get(th, &up));
	NUMBER("carrier is off", up);
	NUMBER("carrier on", team_carrier_set(th, true));
	NUMBER("get carrier on", team_carrier_get(th, &up));
	NUMBER("carrier is on", up);
	NUMBER("address length", team_hwaddr_len_get(th, 30));
	NUMBER("address length of none", team_hwaddr_len_get(th, 9999));
	NUMBER("get address", team_hwaddr_get(th, 30, address, 6));
	hex("address", address, 6);
	NUMBER("get address of another length", team_hwaddr_get(th, 30, address, 5));
	NUMBER("get address of none", team_hwaddr_get(th, 9999, address, 6));
	NUMBER("set address", team_hwaddr_set(th, 30, "\2\0\0\0\3\7", 6));
	NUMBER("get it", team_hwaddr_get(th, 30, address, 6));
	hex("it", address, 6);
	NUMBER("set address of another length", team_hwaddr_set(th, 30, "\2\0\0\0\3\7", 5));
	NUMBER("set address of none", team_hwaddr_set(th, 9999, "\2\0\0\0\3\7", 6));
	NUMBER("set a multicast address", team_hwaddr_set(th, 30, "\3\0\0\0\3\7", 6));
	team_free(th);
}

static void name_of_0(void)
{
	struct team_handle *th = scene("activebackup");
	char name[64] = "";

	SAY("name", "%s", team_ifindex2ifname(th, 0, name, sizeof(name)) ? name : "none");
	team_free(th);
}

static void name_in_2_bytes(void)
{
	struct team_handle *th = scene("activebackup");
	char name[64];

	memset(name, 'x', sizeof(name));
	SAY("name", "%s", team_ifindex2ifname(th, 20, name, 2) ? name : "none");
	team_free(th);
}

static void index_of_names(void)
{
	struct team_handle *th = scene("activebackup");

	NUMBER("empty", team_ifname2ifindex(th, ""));
	NUMBER("long", team_ifname2ifindex(th, "a-name-of-more-than-sixteen-bytes"));
	team_free(th);
}

static void deleted_port(void)
{
	struct team_handle *th = scene("activebackup");
	struct team_port *port;

	settle(th);
	sh("ip link del v0");
	settle(th);
	port = port_of(th, 10);
	NUMBER("listed", port != NULL);
	if (port) {
		NUMBER("removed", team_is_port_removed(port));
		NUMBER("present", team_is_port_present(th, port));
		NUMBER("has an ifinfo", team_get_port_ifinfo(port) != NULL);
	}
	team_free(th);
}

static const struct {
	const char *name;
	void (*run)(void);
} groups[] = {
	{ "life", life }, { "free_without_init", free_without_init }, { "logging", logging }, { "handlers", handlers },
	{ "abort_applies", abort_applies }, { "events", events }, { "check_without_events", check_without_events },
	{ "modes", modes }, { "globals", globals }, { "hash_func", hash_func }, { "lookups", lookups }, { "values", values },
	{ "ports", ports }, { "texts", texts }, { "links", links }, { "rtnl", rtnl },
	{ "name_of_0", name_of_0 }, { "name_in_2_bytes", name_in_2_bytes }, { "index_of_names", index_of_names },
	{ "deleted_port", deleted_port },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		int status;
		pid_t child;

		bool wanted = argc < 2;

		for (int word = 1; word < argc; word++)
			wanted |= !strcmp(argv[word], groups[i].name);
		if (!wanted)
			continue;
		group = groups[i].name;
		fflush(NULL);
		child = fork();
		if (!child) {
			if (unshare(CLONE_NEWNET))
				SAY("scene", "no network namespace");
			sh("ip link set lo up");
			groups[i].run();
			SAY("end", "reached");
			fflush(NULL);
			_exit(0);
		}
		waitpid(child, &status, 0);
		if (WIFSIGNALED(status))
			SAY("signal", "%d", WTERMSIG(status));
		if (WIFEXITED(status) && WEXITSTATUS(status))
			SAY("status", "%d", WEXITSTATUS(status));
	}
	return 0;
}
