using ArchUnitNET.Domain;
using ArchUnitNET.Domain.Dependencies;
using ArchUnitNET.Loader;
using Tessera.Embeddings;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Onnx;
using Assembly = System.Reflection.Assembly;

namespace Tessera.Tests;

/// <summary>What may use what. Looked up in the compiled code, so that what a method does counts, and not only what it shows.</summary>
public sealed class ArchitectureTests
{
    /// <summary>The rooms of the library. Each may use those before it.</summary>
    private static readonly string[] Rooms =
        ["Runtime", "Ranks", "Figures", "Models", "Masking", "Data", "Weights", "Features", "Training", "Objectives", "Evaluation", "Exports", "Runs"];

    private static readonly Assembly Library = typeof(MaskedAutoencoder).Assembly;

    /// <summary>What an application may use without paying for libtorch.</summary>
    private static readonly Assembly[] TorchFree = [typeof(ImageSet).Assembly, typeof(Accuracy).Assembly, typeof(ImageEmbedder).Assembly];

    private static readonly Lazy<IReadOnlyList<IType>> Types = new(() =>
        [.. new ArchLoader().LoadAssembly(Library).Build().Types.Where(t => t.Assembly.FullName == Library.FullName)]);

    /// <summary>From room to room, with one example of each.</summary>
    private static IReadOnlyList<Arrow> Arrows =>
    [
        .. from type in Types.Value
           from dependency in type.Dependencies
           let arrow = new Arrow(Room(type), Room(dependency.Target), $"{Name(type)} uses {Name(dependency.Target)}")
           where arrow.To.Length > 0 && arrow.From != arrow.To
           orderby arrow.Example
           group arrow by (arrow.From, arrow.To) into same
           select same.First(),
    ];

    [Fact]
    public void Every_Type_Stands_In_A_Room()
    {
        // A folder within a room belongs to it.
        var outside = Library.GetTypes().Where(t => t.Namespace is { } name && name.Split('.')[0] == "Tessera").Select(t => t.Namespace!).Distinct()
            .Where(name => name.Split('.') is not ["Tessera", var room, ..] || !Rooms.Contains(room));
        outside.ShouldBeEmpty("these namespaces are no rooms");
    }

    [Fact]
    public void A_Room_Uses_Only_Those_Before_It()
    {
        var back = Arrows.Where(a => Array.IndexOf(Rooms, a.From) < Array.IndexOf(Rooms, a.To)).ToList();
        back.Select(a => $"{a.From} → {a.To}: {a.Example}").ShouldBeEmpty($"the order is {string.Join(", ", Rooms)}");
    }

    [Fact]
    public void The_Page_On_Architecture_Shows_Who_Uses_Whom()
    {
        const string Begin = "<!-- arrows -->\n", End = "<!-- /arrows -->";
        var page = File.ReadAllText(Path.Join(AppContext.BaseDirectory, "architecture.md"));
        page.ShouldContain(Begin);
        page.ShouldContain(End);

        var shown = page[(page.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length)..page.IndexOf(End, StringComparison.Ordinal)];

        var table = "| room | uses |\n|---|---|\n" + string.Concat(
            from room in Rooms
            where Types.Value.Any(t => Room(t) == room)
            let used = Rooms.Where(r => Arrows.Any(a => a.From == room && a.To == r)).Select(r => $"`{r}`")
            select $"| `{room}` | {string.Join(", ", used.DefaultIfEmpty("no other"))} |\n");
        shown.ShouldBe(table, $"docs/architecture.md should say between its two marks:\n{table}");
    }

    [Fact]
    public void The_Projects_Without_Torch_Reference_None() =>
        TorchFree.Where(a => References(a, "TorchSharp")).ShouldBeEmpty();

    [Fact]
    public void The_Library_Does_Not_Write_To_The_Console() =>
        TorchFree.Append(Library).Where(a => References(a, "System.Console")).ShouldBeEmpty();

    /// <summary>As the build does (eng/BannedSymbols.txt), but for <c>a += b</c>, which its analyser does not see.</summary>
    [Fact]
    public void No_Operator_Takes_A_Number_Or_Adds_Tensors()
    {
        string[] numbers = ["Int32", "Int64", "Single", "Double", "Scalar"];
        var calls = from type in Types.Value
                    from call in type.Dependencies.OfType<MethodCallDependency>()
                    let target = call.TargetMember.FullName
                    where target.Contains("TorchSharp.torch/Tensor::op_", StringComparison.Ordinal)
                        && (target.Contains("op_Addition", StringComparison.Ordinal) || numbers.Any(n => target.Contains(n, StringComparison.Ordinal)))
                    select $"{Name(type)} calls {target}";
        calls.ShouldBeEmpty("use HeldNumbers");
    }

    private static bool References(Assembly assembly, string name) => assembly.GetReferencedAssemblies().Any(r => r.Name == name);

    /// <summary>Empty for a type of elsewhere, and for what stands for any type.</summary>
    private static string Room(IType type) => type.Namespace?.FullName.Split('.') is ["Tessera", var room, ..] && Rooms.Contains(room) ? room : "";

    private static string Name(IType type) => type.FullName["Tessera.".Length..];

    private sealed record Arrow(string From, string To, string Example);
}
