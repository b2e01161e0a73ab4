package lvsdr

// DirectorSysctls is the step that sets what a director needs of /proc/sys.
func DirectorSysctls(c Config) Step { return pending{"sysctls"} }

// RealServerSysctls is the step that silences ARP for the VIP.
func RealServerSysctls(c Config) Step { return pending{"sysctls"} }

// sysctlDropIn is the file that keeps a role's sysctls over a reboot.
func sysctlDropIn(role string) string { return "/etc/sysctl.d/zz-lvsdr-" + role + ".conf" }
