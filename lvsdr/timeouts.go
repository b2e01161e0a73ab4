package lvsdr

// DirectorTimeouts is the step that sets IPVS's connection timeouts.
func DirectorTimeouts(c Config) Step { return pending{"timeouts"} }
