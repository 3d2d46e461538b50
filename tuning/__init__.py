"""Search over the choices that the models of `zoo` are made of, with KerasTuner."""
