package lvsdr

// DirectorPorts is the step that lets the services' packets pass the firewall.
func DirectorPorts(c Config) Step { return pending{"ports"} }

// RealServerPorts is the step that lets the services' packets pass the firewall.
func RealServerPorts(c Config) Step { return pending{"ports"} }
