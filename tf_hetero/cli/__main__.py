"""`python -m tf_hetero.cli`, where the command `tf-hetero` is not on the path."""

from tf_hetero.cli.main import main

if __name__ == "__main__":
    main()
