package lvsdr

// DirectorModules is the step that has ip_vs and the schedulers loaded, now and
// at boot.
func DirectorModules(c Config) Step { return pending{"modules"} }
