/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>

/* One function per command: argv[0] is the command's name; the result is the program's exit status. */
int cmd_spec(int argc, char **argv);
int cmd_states(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_quadlet(int argc, char **argv);
int cmd_keys(int argc, char **argv);
int cmd_pull(int argc, char **argv);
int cmd_ps(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_logs(int argc, char **argv);
/* logs.c: "-n" is docker's --tail, or podman's --names. */
int cli_logs(int argc, char **argv, bool as_docker);
int cmd_events(int argc, char **argv);
int cmd_start(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_restart(int argc, char **argv);
int cmd_kill(int argc, char **argv);
int cmd_reset_failed(int argc, char **argv);
int cmd_reload(int argc, char **argv);
/* control.c: of the units argv[1...count]. */
int cmd_reload_units(int count, char **argv, bool no_block);
/* One unit; *has_no_way: nothing in its file says how, and nothing has been printed. */
int cli_reload_unit(const char *name, bool no_block, bool *has_no_way);
int cmd_upgrade(int argc, char **argv);
int cmd_enable(int argc, char **argv);
int cmd_disable(int argc, char **argv);
int cmd_mask(int argc, char **argv);
int cmd_unmask(int argc, char **argv);
int cmd_exec(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_pod_ls(int argc, char **argv);
int cmd_pod_inspect(int argc, char **argv);
int cmd_secret_create(int argc, char **argv);
int cmd_secret_ls(int argc, char **argv);
int cmd_secret_inspect(int argc, char **argv);
int cmd_secret_rm(int argc, char **argv);
int cmd_volume_ls(int argc, char **argv);
int cmd_volume_inspect(int argc, char **argv);
int cmd_volume_create(int argc, char **argv);
int cmd_volume_rm(int argc, char **argv);
int cmd_volume_prune(int argc, char **argv);
int cmd_volume_export(int argc, char **argv);
int cmd_volume_import(int argc, char **argv);
int cmd_auto_update(int argc, char **argv);
int cmd_rollback(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_greeting(int argc, char **argv);
int cmd_password(int argc, char **argv);
int cmd_console(int argc, char **argv);
int cmd_console_shell(int argc, char **argv);
int cmd_healthcheck_run(int argc, char **argv);
int cmd_health_log(int argc, char **argv);
int cmd_probe_https(int argc, char **argv);
int cmd_uplink(int argc, char **argv); /* uplink.c */
int cmd_dhcp(int argc, char **argv);
int cmd_dhcp6(int argc, char **argv);
int cmd_images(int argc, char **argv);
int cmd_image_inspect(int argc, char **argv);
int cmd_image_prune(int argc, char **argv);
int cmd_rmi(int argc, char **argv);
int cmd_load(int argc, char **argv);
