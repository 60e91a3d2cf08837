"""``python -m tokenflow_sim``: the ``tokenflow`` command."""

from tokenflow_sim.cli import main

if __name__ == "__main__":  # processes of a study import this module too
    main()
