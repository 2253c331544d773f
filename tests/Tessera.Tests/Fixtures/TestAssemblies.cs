using System.Text.Json;

namespace Tessera.Tests.Fixtures;

/// <summary>The assemblies that the tests run with, and which of them a project or a package brings.</summary>
internal static class TestAssemblies
{
    /// <summary>All, as paths in full.</summary>
    public static IReadOnlyList<string> All { get; } = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator);

    /// <summary>Those that a program sees which names these libraries, and through them others.</summary>
    /// <param name="libraries">Projects and packages, as the tests' own dependencies have them.</param>
    /// <param name="isWeb">Whether ASP.NET is among them.</param>
    public static IReadOnlyList<string> Of(IEnumerable<string> libraries, bool isWeb)
    {
        var names = Framework(typeof(object)).Concat(isWeb ? Framework(typeof(Microsoft.AspNetCore.Builder.WebApplication)) : []).ToHashSet(StringComparer.OrdinalIgnoreCase);
        using var json = JsonDocument.Parse(File.ReadAllText(Path.Join(AppContext.BaseDirectory, typeof(TestAssemblies).Assembly.GetName().Name + ".deps.json")));
        var target = json.RootElement.GetProperty("targets").GetProperty(json.RootElement.GetProperty("runtimeTarget").GetProperty("name").GetString()!);
        var all = target.EnumerateObject().ToDictionary(library => library.Name[..library.Name.IndexOf('/', StringComparison.Ordinal)], library => library.Value, StringComparer.OrdinalIgnoreCase);
        var (seen, open) = (new HashSet<string>(StringComparer.OrdinalIgnoreCase), new Stack<string>(libraries));
        while (open.TryPop(out var library))
        {
            if (!seen.Add(library)) continue;
            all.ShouldContainKey(library, "the tests must reference what a sample does");
            if (all[library].TryGetProperty("dependencies", out var dependencies))
                foreach (var dependency in dependencies.EnumerateObject().Where(d => all.ContainsKey(d.Name))) open.Push(dependency.Name);
            if (all[library].TryGetProperty("runtime", out var assemblies))
                foreach (var assembly in assemblies.EnumerateObject()) names.Add(Path.GetFileName(assembly.Name));
        }
        return [.. All.Where(assembly => names.Contains(Path.GetFileName(assembly)))];
    }

    private static IEnumerable<string> Framework(Type member) =>
        Directory.EnumerateFiles(Path.GetDirectoryName(member.Assembly.Location)!, "*.dll").Select(file => Path.GetFileName(file));
}
