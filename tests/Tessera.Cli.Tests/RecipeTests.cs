using System.CommandLine;
using Tessera.Cli.Commands;
using Tessera.Cli.Tests.Fixtures;
using Tessera.Runs;
using Tessera.Runtime;

namespace Tessera.Cli.Tests;

public sealed class RecipeTests(TrainedRun run) : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    public static TheoryData<string> Names => [.. Recipes.All.Select(r => r.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Is_Short_For_The_Switches_That_The_Page_Shows(string name)
    {
        var recipe = Recipes.Find(name)!;
        var settings = new PretrainOptionSet();
        var command = new Command("pretrain");
        settings.AddTo(command);

        var parsed = command.Parse([.. Switches(recipe)]);

        parsed.Errors.ShouldBeEmpty();
        settings.Over(new PretrainOptions(), parsed).ShouldBe(recipe.Options);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Leaves_The_Pictures_To_The_User_And_The_Rest_To_The_Machine(string name)
    {
        var options = Recipes.Find(name)!.Options;

        options.Data.Source.ShouldBe(new PretrainOptions().Data.Source);
        (options.Training.Device, options.Training.Precision, options.Training.Workers).ShouldBe(("auto", Precision.Auto, null));
    }

    [Fact]
    public void The_Page_On_Recipes_Shows_Each()
    {
        const string Begin = "<!-- recipes -->\n", End = "<!-- /recipes -->";
        var page = File.ReadAllText(Path.Join(AppContext.BaseDirectory, "recipes.md"));
        page.ShouldContain(Begin);
        page.ShouldContain(End);

        var shown = page[(page.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length)..page.IndexOf(End, StringComparison.Ordinal)];

        var recipes = string.Concat(Recipes.All.Select(r =>
            $"## {r.Name}\n\n```\ntessera pretrain --recipe {r.Name} --data SOURCE\ntessera pretrain {string.Join(' ', Switches(r))} --data SOURCE\n```\n\n"
            + $"- what: {r.Description}\n- time on two cores: {r.Time}\n- expect: {r.Expect}\n\n"));
        shown.ShouldBe(recipes, $"docs/recipes.md should say between its two marks:\n{recipes}");
    }

    [Fact]
    public void Is_The_Ground_For_What_The_Command_Line_Says()
    {
        CommandLine.Run(["pretrain", "--recipe", "mae", "--data", TrainedRun.Data, "--out", folder["run"], "--cache", run.Cache, .. TrainedRun.Small, "--epochs", "1"])
            .ShouldBeDone();

        var options = PretrainRun.ReadRunOptions(folder["run"]);
        options.Objective.ShouldBe(Recipes.Find("mae")!.Options.Objective);
        (options.Data.Source, options.Training.Epochs, options.Encoder.Model).ShouldBe((TrainedRun.Data, 1, "vit-micro"));
    }

    [Fact]
    public void Is_Refused_Where_Other_Options_Are_Begun_With()
    {
        CommandLine.Run("pretrain", "--recipe", "cake").ShouldFail(2, $"There is no recipe 'cake': choose {string.Join(", ", Recipes.All.Select(r => r.Name))}.");
        CommandLine.Run("pretrain", "--recipe", "mae", "--config", "options.json").ShouldFail(2, "--recipe and --config both give the options to begin with: leave out one.");
        CommandLine.Run("pretrain", "--recipe", "mae", "--resume", run.Folder).ShouldFail(2, "--resume goes on with the run's own options: leave out --recipe.");
    }

    private static IEnumerable<string> Switches(Recipe recipe) => new PretrainOptionSet().SwitchesOf(recipe.Options);
}
