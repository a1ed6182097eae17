"""`config show|validate|schema`."""

from typing import Annotated, Any

import typer

from rilctl.cli import output
from rilctl.cli.completing import complete_table
from rilctl.cli.options import Debug, Json, Overrides, Recipes
from rilctl.errors import ConfigError, UsageError

app = typer.Typer(help="Show, check and describe recipes.", rich_markup_mode=None)


@app.command()
def show(recipes: Recipes = None, overrides: Overrides = None, as_json: Json = False, debug: Debug = False) -> None:
    """Print the resolved recipe.

    Defaults included, each value with its origin; the output is a recipe that says the same.
    """
    from rilctl.config.layers import default_recipes, dotted, read_layers
    from rilctl.config.load import recipe_from
    from rilctl.config.show import to_toml, values

    layers = read_layers(default_recipes(recipes or ()), overrides or (), {})
    recipe = recipe_from(layers)
    if as_json:
        origins = {dotted(path): origin for path, origin in layers.origins.items()}
        output.result_json({"recipe": values(recipe), "origins": origins}, indent=2)
    else:
        output.result(*to_toml(recipe, layers).rstrip("\n").split("\n"))


@app.command()
def validate(recipes: Recipes = None, overrides: Overrides = None, as_json: Json = False, debug: Debug = False) -> None:
    """Report everything that is wrong with a recipe."""
    from rilctl.config.layers import default_recipes, dotted, read_layers
    from rilctl.config.load import recipe_from
    from rilctl.config.load import validate as problems_of

    paths = default_recipes(recipes or ())
    if not paths:
        raise ConfigError("no recipe named and no recipe.toml here", hint="`rilctl config validate RECIPE`")
    layers = read_layers(paths, overrides or (), {})
    recipe, problems = problems_of(layers)
    if as_json:
        found: list[dict[str, Any]] = [{"key": dotted(p.path), "origin": p.origin, "problem": p.text} for p in problems]
        output.result_json({"ok": recipe is not None, "recipes": [str(path) for path in paths], "problems": found})
    recipe_from(layers)
    if not as_json:
        output.result("ok")


@app.command()
def schema(
    table: Annotated[
        str | None,
        typer.Argument(metavar="TABLE", help="One table, such as train or train.optim.", autocompletion=complete_table),
    ] = None,
    artifact: Annotated[
        str | None, typer.Option(metavar="KIND", help="Describe an artifact of this kind instead of recipes.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Print the JSON Schema of recipes or of artifacts.

    Of recipes as a whole, or of one table.
    """
    if table is not None:
        from rilctl.config.keys import table_names, table_schema

        if artifact is not None:
            raise UsageError(
                f"`{table}` is a table of recipes, and --artifact asks for another schema", hint="name one of them"
            )
        from rilctl.schemas.manifest import ARTIFACT_KINDS

        if table in ARTIFACT_KINDS and table not in table_names():
            raise UsageError(
                f"`{table}` is a kind of artifact, not a table of recipes",
                hint=f"`rilctl config schema --artifact {table}`",
            )
        output.result_json(table_schema(table), indent=2)
        return
    if artifact is None:
        from rilctl.config.recipe import Recipe

        output.result_json(Recipe.model_json_schema(), indent=2)
        return
    from rilctl.config.suggest import did_you_mean
    from rilctl.schemas.export import artifact_schema
    from rilctl.schemas.manifest import ARTIFACT_KINDS

    kind = next((kind for kind in ARTIFACT_KINDS if kind == artifact), None)
    if kind is None:
        guess = did_you_mean(artifact, ARTIFACT_KINDS)
        raise UsageError(f"no artifact kind `{artifact}`{guess}", hint=f"kinds: {', '.join(ARTIFACT_KINDS)}")
    output.result_json(artifact_schema(kind), indent=2)
