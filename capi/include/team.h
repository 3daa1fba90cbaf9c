/*
 * team.h - control of Linux team devices, the interface of libteam.so.5
 *
 * The declarations are those of libteam 1.31 and 1.32. A program that is compiled with this header runs with either
 * library, and so does one that is compiled with the other header.
 *
 * Conventions, unless a function says otherwise:
 * - An int result is 0 or a negative error number.
 * - A bool result of a function named team_*_str is true if the text did not fit: the buffer then holds its beginning.
 * - Pointers to ports, links, options and their strings are the library's; do not free them. A port is valid until the
 *   next port message after its removal, an option until its removal, a link (ifinfo) as long as its port; the team's own
 *   link as long as the handle.
 * - A handle is used by one thread at a time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifndef LIBTEAM_TEAM_H
#define LIBTEAM_TEAM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/filter.h>

#ifdef __cplusplus
extern "C" {
#endif

struct team_handle;
struct team_eventfd;
struct team_ifinfo;
struct team_option;
struct team_port;

/* ---- A handle and its team ---- */

/* Makes a handle; NULL on failure. The variable TEAM_LOG sets its log priority: a number, or err, info or debug. */
struct team_handle *team_alloc(void);
/* Frees a handle. The team stays. */
void team_free(struct team_handle *th);
/* Creates a team; the kernel chooses the name if that is NULL. */
int team_create(struct team_handle *th, const char *team_name);
/* Creates a team, after deleting the team that has the name. -EEXIST if another kind of link has it. */
int team_recreate(struct team_handle *th, const char *team_name);
/* Opens the team with this index: its ports and options are read, and the handlers registered so far are called.
 * TEAM_EVENT_BUFSIZE sets the receive buffers of events, in bytes. */
int team_init(struct team_handle *th, uint32_t ifindex);
/* Deletes the team of the handle. */
int team_destroy(struct team_handle *th);
/* Reads everything again, and calls the handlers for all kinds of changes. */
int team_refresh(struct team_handle *th);
/* Returns the team's own link. */
struct team_ifinfo *team_get_ifinfo(struct team_handle *th);

/* ---- Logging ---- */

/* Sets the function that gets the log's messages, in place of standard error. */
void team_set_log_fn(struct team_handle *th,
		     void (*log_fn)(struct team_handle *th, int priority, const char *file, int line, const char *fn,
				    const char *format, va_list args));
/* Returns, and sets, the highest priority that is logged; the numbers are those of syslog(3). */
int team_get_log_priority(struct team_handle *th);
void team_set_log_priority(struct team_handle *th, int priority);

/* ---- Events ---- */

/* Returns the descriptor to poll: readable while there are events. */
int team_get_event_fd(struct team_handle *th);
/* Handles events, and blocks until there are some. -EINTR if a signal handler runs. */
int team_handle_events(struct team_handle *th);
/* Handles events if there are some. */
int team_check_events(struct team_handle *th);

/* Deprecated: the descriptors one by one. There is one, that of team_get_event_fd. */
const struct team_eventfd *team_get_next_eventfd(struct team_handle *th, const struct team_eventfd *eventfd);
int team_get_eventfd_fd(struct team_handle *th, const struct team_eventfd *eventfd) __attribute__((deprecated));
int team_call_eventfd_handler(struct team_handle *th, const struct team_eventfd *eventfd) __attribute__((deprecated));
#define team_for_each_event_fd(eventfd, th)				\
	for (eventfd = team_get_next_eventfd(th, NULL); eventfd;	\
	     eventfd = team_get_next_eventfd(th, eventfd))

/* ---- Change handlers ---- */

/* Kinds of changes. */
enum {
	TEAM_PORT_CHANGE	= 0x1,
	TEAM_OPTION_CHANGE	= 0x2,
	TEAM_IFINFO_CHANGE	= 0x4,
	TEAM_IFINFO_REFRESH	= 0x8,
	TEAM_ANY_CHANGE		= TEAM_PORT_CHANGE | TEAM_OPTION_CHANGE | TEAM_IFINFO_CHANGE
};

typedef unsigned int team_change_type_mask_t;

/* A function and the kinds of changes that it is called for. It gets those that happened, as type_mask. A result other
 * than 0 ends the calls for this change, and is what the function that handles events returns. */
struct team_change_handler {
	int			(*func)(struct team_handle *th, void *func_priv, team_change_type_mask_t type_mask);
	team_change_type_mask_t	type_mask;
};

/* Registers a handler behind, or before, all others. The structure is not copied: keep it while it is registered. -EEXIST
 * if it is registered with this priv. A handler may call every function, also those that register and unregister. */
int team_change_handler_register(struct team_handle *th, const struct team_change_handler *handler, void *priv);
int team_change_handler_register_head(struct team_handle *th, const struct team_change_handler *handler, void *priv);
void team_change_handler_unregister(struct team_handle *th, const struct team_change_handler *handler, void *priv);

/* ---- Settings of the team ---- */

/* The mode, "activebackup" for instance. The text is valid until the mode changes. */
int team_get_mode_name(struct team_handle *th, char **mode_name);
int team_set_mode_name(struct team_handle *th, const char *mode_name);
/* How often the kernel announces the team's addresses when a port is enabled, and at what interval in milliseconds. */
int team_get_notify_peers_count(struct team_handle *th, uint32_t *count);
int team_set_notify_peers_count(struct team_handle *th, uint32_t count);
int team_get_notify_peers_interval(struct team_handle *th, uint32_t *interval);
int team_set_notify_peers_interval(struct team_handle *th, uint32_t interval);
/* The same for joining the team's multicast groups again. */
int team_get_mcast_rejoin_count(struct team_handle *th, uint32_t *count);
int team_set_mcast_rejoin_count(struct team_handle *th, uint32_t count);
int team_get_mcast_rejoin_interval(struct team_handle *th, uint32_t *interval);
int team_set_mcast_rejoin_interval(struct team_handle *th, uint32_t interval);
/* The active port of a team in mode activebackup; 0 for none. */
int team_get_active_port(struct team_handle *th, uint32_t *ifindex);
int team_set_active_port(struct team_handle *th, uint32_t ifindex);
/* The classic BPF program that hashes packets in mode loadbalance. The instructions are the library's. */
int team_get_bpf_hash_func(struct team_handle *th, struct sock_fprog *fp);
int team_set_bpf_hash_func(struct team_handle *th, const struct sock_fprog *fp);

/* ---- Settings of a port ---- */

/* Whether the port takes part. */
int team_set_port_enabled(struct team_handle *th, uint32_t port_ifindex, bool val);
int team_get_port_enabled(struct team_handle *th, uint32_t port_ifindex, bool *enabled);
/* The link state that a program sets, and whether that counts instead of the kernel's. */
int team_set_port_user_linkup_enabled(struct team_handle *th, uint32_t port_ifindex, bool val);
int team_get_port_user_linkup(struct team_handle *th, uint32_t port_ifindex, bool *linkup);
int team_set_port_user_linkup(struct team_handle *th, uint32_t port_ifindex, bool linkup);
/* The transmit queue of the team whose packets go to the port. */
int team_set_port_queue_id(struct team_handle *th, uint32_t port_ifindex, uint32_t queue_id);
/* The priority: the higher, the better. */
int team_get_port_priority(struct team_handle *th, uint32_t port_ifindex, int32_t *priority);
int team_set_port_priority(struct team_handle *th, uint32_t port_ifindex, int32_t priority);

/* ---- Ports ---- */

/* Returns the port after this one, or the first if it is NULL: the newest first. */
struct team_port *team_get_next_port(struct team_handle *th, struct team_port *port);
#define team_for_each_port(port, th)				\
	for (port = team_get_next_port(th, NULL); port;		\
	     port = team_get_next_port(th, port))
uint32_t team_get_port_ifindex(struct team_port *port);
/* Mbit/s, as the driver reports it. */
uint32_t team_get_port_speed(struct team_port *port);
/* 0 is half, 1 full, as the driver reports it. */
uint8_t team_get_port_duplex(struct team_port *port);
bool team_is_port_link_up(struct team_port *port);
bool team_is_port_changed(struct team_port *port);
bool team_is_port_removed(struct team_port *port);
/* Never NULL. */
struct team_ifinfo *team_get_port_ifinfo(struct team_port *port);
/* Whether the port's link has the team as its master. */
bool team_is_port_present(struct team_handle *th, struct team_port *port);

/* ---- Links: the team's own and those of its ports ---- */

/* Returns the link after this one, or the first if it is NULL: the newest first. */
struct team_ifinfo *team_get_next_ifinfo(struct team_handle *th, struct team_ifinfo *ifinfo);
#define team_for_each_ifinfo(ifinfo, th)			\
	for (ifinfo = team_get_next_ifinfo(th, NULL); ifinfo;	\
	     ifinfo = team_get_next_ifinfo(th, ifinfo))
bool team_is_ifinfo_removed(struct team_ifinfo *ifinfo);
uint32_t team_get_ifinfo_ifindex(struct team_ifinfo *ifinfo);
bool team_get_ifinfo_admin_state(struct team_ifinfo *ifinfo);
bool team_is_ifinfo_admin_state_changed(struct team_ifinfo *ifinfo);
struct team_port *team_get_ifinfo_port(struct team_ifinfo *ifinfo);
/* The address is in a buffer of 32 bytes that is updated in place, and that a program may write to. */
char *team_get_ifinfo_hwaddr(struct team_ifinfo *ifinfo);
bool team_is_ifinfo_hwaddr_changed(struct team_ifinfo *ifinfo);
size_t team_get_ifinfo_hwaddr_len(struct team_ifinfo *ifinfo);
bool team_is_ifinfo_hwaddr_len_changed(struct team_ifinfo *ifinfo);
/* The address of the time when the link has no master. */
char *team_get_ifinfo_orig_hwaddr(struct team_ifinfo *ifinfo);
uint8_t team_get_ifinfo_orig_hwaddr_len(struct team_ifinfo *ifinfo);
/* The name is in a buffer that is updated in place. */
char *team_get_ifinfo_ifname(struct team_ifinfo *ifinfo);
bool team_is_ifinfo_ifname_changed(struct team_ifinfo *ifinfo);
/* 0 for none. */
uint32_t team_get_ifinfo_master_ifindex(struct team_ifinfo *ifinfo);
bool team_is_ifinfo_master_ifindex_changed(struct team_ifinfo *ifinfo);
char *team_get_ifinfo_phys_port_id(struct team_ifinfo *ifinfo);
bool team_is_ifinfo_phys_port_id_changed(struct team_ifinfo *ifinfo);
size_t team_get_ifinfo_phys_port_id_len(struct team_ifinfo *ifinfo);
bool team_is_ifinfo_phys_port_id_len_changed(struct team_ifinfo *ifinfo);
/* Whether any of these changed. */
bool team_is_ifinfo_changed(struct team_ifinfo *ifinfo);

/* ---- Options of the driver ---- */

enum team_option_type {
	TEAM_OPTION_TYPE_U32,
	TEAM_OPTION_TYPE_STRING,
	TEAM_OPTION_TYPE_BINARY,
	TEAM_OPTION_TYPE_BOOL,
	TEAM_OPTION_TYPE_S32
};

/* Finds an option; NULL if there is none. Each letter of fmt takes an argument: n the name (char *), p the index of a port
 * (uint32_t), a the index into an array (uint32_t); at most four of them. With ! in fmt, an option that there is not is
 * made, without a value, so that it can be set; it is gone with the next option message, or when it is set. */
struct team_option *team_get_option(struct team_handle *th, const char *fmt, ...);
/* Returns the option after this one, or the first if it is NULL: the newest first. */
struct team_option *team_get_next_option(struct team_handle *th, struct team_option *option);
#define team_for_each_option(option, th)			\
	for (option = team_get_next_option(th, NULL); option;	\
	     option = team_get_next_option(th, option))
/* Whether the option has a value. */
bool team_is_option_initialized(struct team_option *option);
char *team_get_option_name(struct team_option *option);
uint32_t team_get_option_port_ifindex(struct team_option *option);
bool team_is_option_per_port(struct team_option *option);
uint32_t team_get_option_array_index(struct team_option *option);
bool team_is_option_array(struct team_option *option);
enum team_option_type team_get_option_type(struct team_option *option);
bool team_is_option_changed(struct team_option *option);
/* Whether this handle set the option, and the kernel has not reported it since. */
bool team_is_option_changed_locally(struct team_option *option);

/* The value, by the option's type; strings and bytes are valid until it changes. */
unsigned int team_get_option_value_len(struct team_option *option);
uint32_t team_get_option_value_u32(struct team_option *option);
char *team_get_option_value_string(struct team_option *option);
void *team_get_option_value_binary(struct team_option *option);
bool team_get_option_value_bool(struct team_option *option);
int32_t team_get_option_value_s32(struct team_option *option);

/* -EINVAL if the option has another type, -ENOENT if the driver does not have the option. */
int team_set_option_value_u32(struct team_handle *th, struct team_option *option, uint32_t val);
int team_set_option_value_string(struct team_handle *th, struct team_option *option, const char *str);
int team_set_option_value_binary(struct team_handle *th, struct team_option *option, const void *data,
				 unsigned int data_len);
int team_set_option_value_bool(struct team_handle *th, struct team_option *option, bool val);
int team_set_option_value_s32(struct team_handle *th, struct team_option *option, int32_t val);
/* From text, by the option's type: a decimal number, true or false, text, or bytes like \00\ff. */
int team_set_option_value_from_string(struct team_handle *th, struct team_option *option, const char *str);

/* ---- Text ---- */

bool team_option_value_str(struct team_option *option, char *buf, size_t bufsiz);
bool team_option_str(struct team_handle *th, struct team_option *option, char *buf, size_t bufsiz);
bool team_port_str(struct team_port *port, char *buf, size_t bufsiz);
bool team_ifinfo_str(struct team_ifinfo *ifinfo, char *buf, size_t bufsiz);

/* ---- Links of the network namespace, asked of the kernel ---- */

/* 0 if there is no such link. */
uint32_t team_ifname2ifindex(struct team_handle *th, const char *ifname);
/* Returns ifname, or NULL if there is no such link. */
char *team_ifindex2ifname(struct team_handle *th, uint32_t ifindex, char *ifname, unsigned int maxlen);
/* Adds a port to the team, and removes one. */
int team_port_add(struct team_handle *th, uint32_t port_ifindex);
int team_port_remove(struct team_handle *th, uint32_t port_ifindex);
bool team_is_our_port(struct team_handle *th, uint32_t port_ifindex);
/* The carrier of the team's link. */
int team_carrier_set(struct team_handle *th, bool carrier_up);
int team_carrier_get(struct team_handle *th, bool *carrier_up);
/* The hardware address of a link, of addr_len bytes. */
int team_hwaddr_set(struct team_handle *th, uint32_t ifindex, const char *addr, unsigned int addr_len);
int team_hwaddr_get(struct team_handle *th, uint32_t ifindex, char *addr, unsigned int addr_len);
/* The length of it, or a negative error number. */
int team_hwaddr_len_get(struct team_handle *th, uint32_t ifindex);

#ifdef __cplusplus
}
#endif

#endif
