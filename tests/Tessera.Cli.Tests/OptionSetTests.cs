using System.Reflection;
using System.Text.Json.Serialization;
using Tessera.Cli.Commands;
using Tessera.Runs;

namespace Tessera.Cli.Tests;

public sealed class OptionSetTests
{
    /// <summary>What no switch sets: the version, what --finish works out, and how many ranks a launcher started.</summary>
    private static readonly string[] WithoutSwitch = ["Version", "Training.CoolDownFrom", "Training.Ranks"];

    [Fact]
    public void Every_Option_Of_Pretraining_Has_A_Switch_And_No_Switch_Names_Another() =>
        new PretrainOptionSet().Paths.Order(StringComparer.Ordinal)
            .ShouldBe(Leaves("", typeof(PretrainOptions)).Except(WithoutSwitch).Order(StringComparer.Ordinal));

    /// <summary>Besides the version: what is decided by another option, and what a classifier has no use for.</summary>
    private static readonly string[] WithoutSwitchOfClassifiers =
        ["Version", "Job", "Data.Channels", "Data.HoldOutDevelopment", "Training.CoolDownFrom", "Training.Schedule", "Training.FeatureLimit", "Training.Ranks"];

    [Fact]
    public void Every_Option_Of_Fine_Tuning_Has_A_Switch_And_No_Switch_Names_Another() =>
        new FinetuneOptionSet().Paths.Order(StringComparer.Ordinal)
            .ShouldBe(Leaves("", typeof(FinetuneOptions)).Except(WithoutSwitchOfClassifiers).Order(StringComparer.Ordinal));

    [Fact]
    public void Finds_The_Switch_Of_An_Option()
    {
        new PretrainOptionSet().Switch("Objective.Mask.Ratio").ShouldBe("--mask-ratio");
        new PretrainOptionSet().Switch("Objective.Mask").ShouldBeNull();
    }

    private static IEnumerable<string> Leaves(string path, Type type) =>
        from property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
        where property.CanWrite && property.GetCustomAttribute<JsonIgnoreAttribute>() is null
        from leaf in property.PropertyType is { IsClass: true } ofGroup && ofGroup != typeof(string) ? Leaves($"{path}{property.Name}.", ofGroup) : [path + property.Name]
        select leaf;
}
