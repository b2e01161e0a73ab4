package keepalived

import (
	"slices"
	"sync"
)

// fate is what becomes of a keyword that a description of a cluster has no place for.
type fate struct {
	text string
	lost bool // the cluster serves differently without it
}

var (
	noChecks   = fate{"left out: lvsdr's checks are tcp, udp, http, https, ping, dns, smtp and misc; without one that it knows a port is looked after as usual", true}
	noPages    = fate{"left out: lvsdr's checks look at the status of one page alone", true}
	noDynamic  = fate{"left out: with lvsdr a script tells healthy (0) or not, and no weight", true}
	noInhibit  = fate{"left out: the sorry server has no place in the table while it does not stand in", false}
	ofChecks   = fate{"left out: lvsdr's checks have no such thing", false}
	always     = fate{"left out: with lvsdr it is as usual", false}
	allMail    = fate{"left out: with notify keepalived mails of every real server and of each change of a director's state", false}
	noScripts  = fate{"left out: lvsdr runs no scripts", true}
	noRoutes   = fate{"left out: lvsdr sets no routes and rules, and no addresses but the VIPs", true}
	noTracking = fate{"left out: with vrrp the VIPs follow the interfaces that they and the advertisements are on, and nothing else", true}
	idle       = fate{"left out: it means something to keepalived alone", false}
	noSpace    = fate{"left out: run lvsdr in the network namespace that is meant", true}
	oldNAT     = fate{"left out: keepalived knows it no more (it is an error to keepalived -t), and with DR it never meant anything", false}
	oldSync    = fate{"left out: keepalived 2 knows it no more, and syncs nothing; sync: {interface: …} does", true}
	alone      = fate{"left out: a director that returns with a higher priority takes the VIPs back at once; preempt: false has it leave them", true}
	ownVRRP    = fate{"left out: lvsdr's directors advertise and announce the VIPs their own way", false}
	throughNAT = fate{"left out: unicast advertisements go to directors of the same LAN", true}
)

// fatesOf makes a table of the keywords that share a fate, when it is first asked for:
// only an import reads them.
func fatesOf(groups func() map[*fate][]string) func() map[string]fate {
	return sync.OnceValue(func() map[string]fate {
		all := map[string]fate{}
		for f, names := range groups() {
			for _, name := range names {
				all[name] = *f
			}
		}
		return all
	})
}

var topFates = fatesOf(func() map[*fate][]string {
	return map[*fate][]string{
		&noTracking: {"vrrp_script", "vrrp_track_process", "track_file", "vrrp_track_file", "bfd_instance", "track_group", "static_track_group", "garp_group"},
		&noRoutes:   {"static_ipaddress", "static_addresses", "static_routes", "static_rules"},
		&ofChecks:   {"SSL"},
		&noSpace:    {"net_namespace", "net_namespace_ipvs", "namespace_with_ipsets"},
		&idle:       {"instance", "use_pid_dir", "linkbeat_use_polling", "linkbeat_interfaces", "child_wait_time", "interface_up_down_delays", "include_check"},
	}
})

var globalFates = fatesOf(func() map[*fate][]string {
	return map[*fate][]string{
		&allMail:   {"smtp_alert", "smtp_alert_vrrp", "smtp_alert_checker", "no_email_faults", "email_faults"},
		&ofChecks:  {"checker_log_all_failures", "checker_priority", "checker_rt_priority", "checker_no_swap", "max_auto_priority"},
		&noScripts: {"startup_script", "shutdown_script", "notify_fifo", "notify_fifo_script", "vrrp_notify_fifo", "vrrp_notify_fifo_script", "lvs_notify_fifo", "lvs_notify_fifo_script"},
		&noSpace:   {"net_namespace", "net_namespace_ipvs"},
		&idle: {"router_id", "lvs_id", "smtp_helo_name", "smtp_connect_timeout", "lvs_flush", "lvs_flush_on_stop", "lvs_flush_onstop", "script_user", "enable_script_security", "enable_traps", "enable_snmp_keepalived",
			"enable_snmp_checker", "enable_snmp_rfc", "enable_snmp_rfcv2", "enable_snmp_rfcv3", "enable_snmp_vrrp", "snmp_socket", "enable_dbus", "dbus_service_name",
			"vrrp_strict", "vrrp_version", "vrrp_skip_check_adv_addr", "vrrp_mcast_group4", "vrrp_mcast_group6", "vrrp_iptables", "vrrp_ipsets", "nftables",
			"vrrp_garp_master_delay", "vrrp_garp_master_repeat", "vrrp_garp_master_refresh", "vrrp_garp_master_refresh_repeat", "vrrp_garp_lower_prio_delay",
			"vrrp_garp_lower_prio_repeat", "vrrp_garp_interval", "vrrp_gna_interval", "vrrp_lower_prio_no_advert", "vrrp_higher_prio_send_advert", "vrrp_check_unicast_src",
			"vrrp_priority", "vrrp_no_swap", "vrrp_rt_priority", "vrrp_rlimit_rtime", "default_interface", "dynamic_interfaces", "process_names", "process_name",
			"vrrp_process_name", "checker_process_name", "bfd_process_name", "use_symlink_paths", "config_save_dir", "tmp_config_directory", "vrrp_startup_delay",
			"reload_time_file", "reload_repeat", "reload_check_config", "log_unknown_vrids", "json_version", "umask", "vrrp_min_garp", "random_seed"},
	}
})

var serverFates = fatesOf(func() map[*fate][]string {
	return map[*fate][]string{
		&noChecks:  {"BFD_CHECK", "FILE_CHECK"},
		&noInhibit: {"sorry_server_inhibit"},
		&ofChecks:  {"hysteresis", "ha_suspend", "log_all_failures"},
		&always:    {"warmup", "sorry_server_lvs_method"},
		&noScripts: {"quorum_up", "quorum_down", "notify_up", "notify_down"},
		&allMail:   {"smtp_alert"},
		&idle:      {"snmp_name", "ip_family"},
		&oldNAT:    {"nat_mask"},
	}
})

// checkFates are of what stands in a check, and in the page of one.
var checkFates = fatesOf(func() map[*fate][]string {
	return map[*fate][]string{
		&noDynamic: {"misc_dynamic"},
		&always:    {"warmup", "alpha", "log_all_failures", "bindto", "bind_port", "bind_if", "fwmark"},
		&ofChecks:  {"enable_sni", "tls_compliant", "fast_recovery"},
		&noPages:   {"digest", "regex", "regex_no_match", "regex_options", "regex_stack", "regex_min_offset", "regex_max_offset", "virtualhost", "http_protocol", "payload", "require_reply", "min_reply_length", "max_reply_length"},
	}
})

// instanceKeywords are those of a vrrp_instance that [importer.failover] carries over, or
// tells of.
var instanceKeywords = []string{
	"state", "virtual_router_id", "priority", "advert_int", "authentication", "auth_hmac", "nopreempt", "preempt", "preempt_delay", "unicast_src_ip", "mcast_src_ip", "unicast_peer",
	"interface", "virtual_ipaddress", "virtual_ipaddress_excluded", "track_interface", "lvs_sync_daemon_interface", "version", "native_ipv6", "smtp_alert",
}

// instanceFates are of the others.
var instanceFates = fatesOf(func() map[*fate][]string {
	return map[*fate][]string{
		&noRoutes:   {"virtual_routes", "virtual_rules"},
		&noScripts:  {"notify", "notify_master", "notify_backup", "notify_fault", "notify_stop", "notify_deleted", "notify_master_rx_lower_pri", "notify_priority_changes"},
		&noTracking: {"track_script", "track_file", "track_process", "track_bfd", "track_src_ip", "dont_track_primary"},
		&throughNAT: {"unicast_ttl"},
		&oldSync:    {"lvs_sync_daemon_inteface"},
		&idle:       {"debug", "kernel_rx_buf_size"},
		&ownVRRP: {
			"use_vmac", "use_vmac_addr", "vmac_xmit_base", "use_ipvlan", "garp_master_delay", "garp_master_repeat", "garp_master_refresh", "garp_master_refresh_repeat",
			"garp_lower_prio_delay", "garp_lower_prio_repeat", "garp_interval", "gna_interval", "lower_prio_no_advert", "higher_prio_send_advert", "strict_mode",
			"accept", "no_accept", "skip_check_adv_addr", "vrrp_skip_check_adv_addr", "promote_secondaries", "linkbeat_use_polling", "check_unicast_src",
			"down_timer_adverts",
		},
	}
})

// groupFates are of what stands in a vrrp_sync_group.
var groupFates = fatesOf(func() map[*fate][]string {
	return map[*fate][]string{
		&noScripts:  {"notify", "notify_master", "notify_backup", "notify_fault", "notify_stop", "notify_priority_changes"},
		&noTracking: {"track_interface", "track_script", "track_file", "track_process", "track_bfd", "global_tracking", "sync_group_tracking_weight"},
		&allMail:    {"smtp_alert"},
	}
})

func ofInstance(keyword string) bool { return slices.Contains(instanceKeywords, keyword) }
