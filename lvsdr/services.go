package lvsdr

// DirectorServices is the step that keeps the virtual services and their real
// servers in the IPVS table.
func DirectorServices(c Config) Step { return pending{"services"} }
