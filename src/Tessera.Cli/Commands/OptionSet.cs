using System.CommandLine;
using System.Globalization;
using Tessera.Runtime;

namespace Tessera.Cli.Commands;

/// <summary>A run's options on the command line: each switch is one property of a record, by its path.</summary>
/// <typeparam name="T">The record.</typeparam>
internal abstract class OptionSet<T>(T defaults) where T : class
{
    protected static readonly Func<T, bool> Always = _ => true;
    private readonly List<Setting> settings = [];

    protected T Defaults => defaults;

    public void AddTo(Command command)
    {
        foreach (var setting in settings) command.Add(setting.Option);
    }

    /// <summary>Whether the command line has that switch.</summary>
    public bool Names(ParseResult parsed, string name) => settings.Any(s => s.Option.Name == name && s.IsGiven(parsed));

    /// <summary>The ground, changed by what the command line says.</summary>
    public T Over(T ground, ParseResult parsed) =>
        settings.Where(s => s.IsGiven(parsed)).Aggregate(ground, (result, setting) => setting.Set(parsed, result));

    /// <summary>The options a run goes on with: its own, and of the command line's what may change on the way.</summary>
    /// <exception cref="UsageException">An option differs that may not.</exception>
    public T Resumed(T begun, ParseResult parsed, string folder)
    {
        var options = begun;
        foreach (var setting in settings.Where(s => s.IsGiven(parsed)))
        {
            var changed = setting.Set(parsed, options);
            if (!changed.Equals(options) && !setting.MayChange(begun))
                throw new UsageException($"--resume {folder} goes on with the options the run was begun with, and {setting.Option.Name} differs from them "
                    + "(see options.json there): leave it out, or begin a new run with --out.");
            options = changed;
        }
        return options;
    }

    /// <summary>The switch that sets an option of the library, by its path; null: none does.</summary>
    public string? Switch(string path) => settings.FirstOrDefault(s => s.Path == path)?.Option.Name;

    /// <summary>The options of the library that switches set, by their paths.</summary>
    public IEnumerable<string> Paths => settings.Select(s => s.Path);

    /// <summary>The words of a command line that says these options: of each that has not its default, and that a switch sets.</summary>
    public IEnumerable<string> SwitchesOf(T options)
    {
        var standard = Leaves(defaults).ToDictionary();
        foreach (var (path, value) in Leaves(options).Where(leaf => standard[leaf.Key] != leaf.Value))
        {
            var setting = settings.FirstOrDefault(s => string.Equals(s.Path, path, StringComparison.OrdinalIgnoreCase)); // JSON's names are in camelCase
            if (setting is null || value == "null") continue;
            yield return setting.Option.Name;
            if (setting.Option.ValueType != typeof(bool)) yield return value;
        }
    }

    /// <summary>A group of options, such as those of training, by its property.</summary>
    protected Group<G> Of<G>(string path, Func<T, G> get, Func<T, G, T> set) => new(this, path, get, set);

    protected void Add<V>(
        string name, string placeholder, string description, string path, Func<T, V> get, Func<T, V, T> set, string? otherwise = null, Func<T, bool>? mayChange = null)
    {
        var standard = otherwise ?? Convert.ToString(get(defaults), CultureInfo.InvariantCulture);
        Add(CommonOptions.Value<V>(name, placeholder, $"{description} [default: {standard}]"), path, set, mayChange);
    }

    /// <summary>Adds an option that names pictures.</summary>
    protected void AddSources(string name, string description, string path, Func<T, string> get, Func<T, string, T> set, Func<T, bool>? mayChange = null)
    {
        var option = CommonOptions.Sources(name, $"{description} [default: {get(defaults)}]");
        option.AllowMultipleArgumentsPerToken = true; // a shell makes several words of shards/*.tar, and no verb of these has other arguments
        Add(option, path, set, mayChange);
    }

    private void Add<V>(Option<V> option, string path, Func<T, V, T> set, Func<T, bool>? mayChange) =>
        settings.Add(new Setting(option, path, (parsed, ground) => set(ground, parsed.GetValue(option)!), mayChange ?? (_ => false)));

    protected void AddWord<V>(string name, string description, string path, Func<T, V> get, Func<T, V, T> set, string? otherwise = null, Func<T, bool>? mayChange = null)
        where V : struct, Enum
    {
        var option = CommonOptions.Words(name, description, get(defaults), otherwise);
        settings.Add(new Setting(option, path, (parsed, ground) => set(ground, parsed.GetValue(option)), mayChange ?? (_ => false)));
    }

    protected void AddFlag(string name, string description, string path, Func<T, bool, T> set)
    {
        var option = new Option<bool>(name) { Description = description };
        settings.Add(new Setting(option, path, (parsed, ground) => parsed.GetValue(option) ? set(ground, true) : ground, _ => false));
    }

    /// <summary>Every option by its path, as options.json holds it.</summary>
    private static IEnumerable<KeyValuePair<string, string>> Leaves(T options) =>
        TesseraJson.Leaves(options).Select(leaf => KeyValuePair.Create(leaf.Key, leaf.Value?.ToString() ?? "null"));

    /// <summary>Adds the options of a group, by their names within it.</summary>
    protected internal sealed class Group<G>(OptionSet<T> set, string path, Func<T, G> get, Func<T, G, T> put)
    {
        public void Add<V>(
            string name, string placeholder, string description, string property, Func<G, V> value, Func<G, V, G> with, string? otherwise = null, Func<T, bool>? mayChange = null) =>
            set.Add(name, placeholder, description, $"{path}.{property}", o => value(get(o)), (o, v) => put(o, with(get(o), v)), otherwise, mayChange);

        public void AddSources(string name, string description, string property, Func<G, string> value, Func<G, string, G> with, Func<T, bool>? mayChange = null) =>
            set.AddSources(name, description, $"{path}.{property}", o => value(get(o)), (o, v) => put(o, with(get(o), v)), mayChange);

        public void AddWord<V>(string name, string description, string property, Func<G, V> value, Func<G, V, G> with, string? otherwise = null, Func<T, bool>? mayChange = null)
            where V : struct, Enum =>
            set.AddWord(name, description, $"{path}.{property}", o => value(get(o)), (o, v) => put(o, with(get(o), v)), otherwise, mayChange);

        public void AddFlag(string name, string description, string property, Func<G, bool, G> with) =>
            set.AddFlag(name, description, $"{path}.{property}", (o, v) => put(o, with(get(o), v)));
    }

    /// <param name="Option">The switch.</param>
    /// <param name="Path">The property that it sets.</param>
    /// <param name="Set">Sets it to what the command line says.</param>
    /// <param name="MayChange">Whether a run of those options may go on with another value.</param>
    private sealed record Setting(Option Option, string Path, Func<ParseResult, T, T> Set, Func<T, bool> MayChange)
    {
        public bool IsGiven(ParseResult parsed) => parsed.GetResult(Option) is { Implicit: false };
    }
}
